// Finding words of the answer in the documents: what is typed, or selected in the answer, is marked there.
"use strict";

const field = document.getElementById("find");
const MOST = 1000;
const SHORTEST = 2;

if (field && CSS.highlights) {
  const marks = { found: new Highlight(), here: new Highlight() };
  for (const [name, mark] of Object.entries(marks)) CSS.highlights.set(name, mark);
  const texts = [...document.querySelectorAll("#documents .words")].map((words) => words.firstChild).filter(Boolean);
  let found = [];
  let at = -1;

  const look = () => {
    const wanted = field.value.trim();
    const pattern = new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "giu");
    found = wanted.length < SHORTEST ? [] : texts.flatMap((text) =>
      [...text.data.matchAll(pattern)].map((match) => {
        const range = document.createRange();
        range.setStart(text, match.index);
        range.setEnd(text, match.index + match[0].length);
        return range;
      })).slice(0, MOST);
    marks.found.clear();
    for (const range of found) marks.found.add(range);
    step(0);
  };

  const step = (to) => {
    at = found.length ? (to + found.length) % found.length : -1;
    marks.here.clear();
    document.getElementById("found").textContent =
      field.value.trim().length < SHORTEST ? "" : found.length ? `${at + 1} of ${found.length}` : "not there";
    if (at < 0) return;
    marks.here.add(found[at]);
    const pane = document.getElementById("documents");
    const [box, frame] = [found[at].getBoundingClientRect(), pane.getBoundingClientRect()];
    if (box.top < frame.top || box.bottom > frame.bottom) pane.scrollBy({ top: box.top - frame.top - frame.height / 3 });
  };

  field.parentElement.hidden = false;
  field.addEventListener("input", look);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") step(at + (event.shiftKey ? -1 : 1));
    else if (event.key === "Escape") document.getElementById("documents").focus();
    else return;
    event.preventDefault();
  });
  document.addEventListener("selectionchange", () => {
    const chosen = getSelection();
    const words = chosen.toString().trim();
    if (words.length < SHORTEST || words.length > 300) return;
    if (!document.getElementById("talk").contains(chosen.anchorNode)) return;
    field.value = words;
    look();
  });
}
