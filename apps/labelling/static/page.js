// The keys of the labelling page, and drafts: what stands in the form is kept while it is written. Without this file the page
// works by its forms and links.
"use strict";

const $ = (id) => document.getElementById(id);
const form = $("judge");
const help = $("help");

// keys

const KEYS_OFF = "labelling-keys-off";
const areKeysOn = () => localStorage.getItem(KEYS_OFF) === null;
const show = () => document.body.classList.toggle("no-keys", !areKeysOn());
show();
$("keys-on").checked = areKeysOn();
$("keys-on").addEventListener("change", (event) => {
  if (event.target.checked) localStorage.removeItem(KEYS_OFF);
  else localStorage.setItem(KEYS_OFF, "1");
  show();
});
$("help-button").hidden = false;
$("help-button").addEventListener("click", () => help.showModal());

const go = (id) => {
  const link = $(id);
  if (link) link.click();
};
const anywhere = {
  "?": () => help.showModal(),
  h: () => Number($("hand-in")?.dataset.waiting) > 0 && $("hand-in").requestSubmit(),
  l: () => go("to-lists"),
  o: () => go("to-all"),
};

// Shift lock changes nothing; a layout without Latin letters has the keys where they are engraved.
const keyOf = ({ key, code }) =>
  key.length > 1 ? key : /[ -~]/.test(key) ? key.toLowerCase() : code.replace(/^(Key|Digit)/, "").toLowerCase();

document.addEventListener("keydown", (event) => {
  const key = keyOf(event);
  const writes = event.target.matches("textarea, input:not([type=radio])");
  if (help.open || event.altKey || event.metaKey || event.isComposing) return;
  if (event.repeat && !writes && (key === "Enter" || key.length === 1)) {
    event.preventDefault();  // A key held down says it once; the next page did not ask yet.
    return;
  }
  if (form && key === "Enter" && (event.ctrlKey || !writes) && !event.target.closest("a, button, summary")) {
    event.preventDefault();
    form.requestSubmit($("save"));
  } else if (form && key === "Escape" && event.target.id === "comment") {
    focusOn(current() ?? asks()[0]);
  } else if (!writes && !event.ctrlKey && areKeysOn()) {
    const act = anywhere[key] ?? (form && judging[key]);
    const isDone = act ? act() !== false : form && number(key);
    if (isDone) event.preventDefault();
  }
});

// drafts

let timer = null;
let isDirty = false;
let isSending = false;
let isLeaving = false;

async function keep() {
  clearTimeout(timer);
  if (!isDirty || isLeaving) return;
  if (isSending && document.visibilityState === "visible") {
    timer = setTimeout(keep, 100);  // One after the other: the newest is the last.
    return;
  }
  isDirty = false;
  isSending = true;
  const body = new URLSearchParams(new FormData(form));
  body.set("act", "draft");
  try {
    const answer = await fetch(location.pathname, { method: "POST", body, keepalive: true, redirect: "manual" });
    if (answer.status === 409) {
      say("", "You have judged this in another tab. Reload to see it; what you choose here is not kept.");
    } else if (!answer.ok) {
      say("", "What you choose is not kept: this list is gone, or the page was started anew. Open the list again.");
    } else {
      say("Kept", "");
    }
  } catch {
    isDirty = true;
    say("", "The page's server does not answer. What you choose is kept as soon as it does; leave this tab open.");
    timer = setTimeout(keep, 3000);
  } finally {
    isSending = false;
  }
}

function say(state, notice) {
  $("state").textContent = state;
  if (notice || $("notice").dataset.mine) {
    $("notice").textContent = notice;
    $("notice").hidden = notice === "";
    $("notice").dataset.mine = "1";
  }
}

// judging

const asks = () => [...form.querySelectorAll("fieldset.ask")].filter((ask) => ask.offsetParent !== null);
const current = () => document.activeElement.closest("fieldset.ask");
const focusOn = (ask) => {
  (ask.querySelector("input:checked") ?? ask.querySelector("input")).focus({ preventScroll: true });
  ask.scrollIntoView({ block: "nearest" });
};
const unanswered = () => asks().find((ask) => ask.dataset.kind === "verdict" && !ask.querySelector("input:checked"));

function changed() {
  $("faults").hidden = form.querySelector("input[data-fault]:checked") === null;
  isDirty = true;
  $("state").textContent = "…";
  clearTimeout(timer);
  timer = setTimeout(keep, 300);
}

function choose(ask, at) {
  const input = ask.querySelectorAll("input")[at];
  if (!input) return false;
  input.checked = true;
  changed();
  const following = asks()[asks().indexOf(ask) + 1];
  if (following) focusOn(following);
  else $("save").focus();
  return true;
}

function verdict(at) {
  const ask = current() ?? unanswered();
  return ask?.dataset.kind === "verdict" ? choose(ask, at) : false;
}

function number(key) {
  const ask = current();
  return /^[1-9]$/.test(key) && ask?.dataset.kind === "list" ? choose(ask, Number(key) - 1) : false;
}

function takeBack() {
  const ask = current();
  const chosen = ask?.querySelector("input:checked");
  if (!chosen) return false;
  chosen.checked = false;
  changed();
}

const judging = {
  y: () => verdict(0),
  n: () => verdict(1),
  c: () => verdict(2),
  Backspace: takeBack,
  s: () => form.requestSubmit($("skip")),
  w: () => $("comment").focus(),
  a: () => $("talk").focus(),
  d: () => $("documents")?.focus(),
  f: () => $("find")?.focus(),
  q: () => focusOn(unanswered() ?? asks()[0]),
  "<": () => go("before"),
  "[": () => go("before"),
  ">": () => go("after"),
  "]": () => go("after"),
};

if (form) {
  $("faults").hidden = form.querySelector("input[data-fault]:checked") === null;
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => {
    if (isLeaving) event.preventDefault();  // Enter, held down.
    isLeaving = true;
  });
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && keep());
  addEventListener("beforeunload", (event) => {
    if (isDirty && !isLeaving) {
      keep();
      if ($("notice").dataset.mine && !$("notice").hidden) event.preventDefault();
    }
  });
  if (!$("notice").hidden) changed();  // It was not saved.
  const [first] = asks();  // One reads first: on a narrow screen the questions come last.
  (unanswered() ?? first).querySelector("input").focus({ preventScroll: true });
}
