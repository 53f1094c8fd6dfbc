// Comfort of the pages: Ctrl Enter asks, Escape closes what is open. Without this file the pages work by their forms and links.
"use strict";

const question = document.getElementById("question");

document.addEventListener("keydown", (event) => {
  if (question && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    question.form.requestSubmit(question.form.querySelector("button.main"));
  }
  if (event.key === "Escape") {
    const open = document.activeElement?.closest("details[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  }
});
