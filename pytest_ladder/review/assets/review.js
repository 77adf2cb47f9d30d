// Keys only: the page works without this. Each control says which key is its own.
"use strict";
const names = { ArrowLeft: "left", ArrowRight: "right" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const typing = event.target.closest("textarea");
  if (typing) {
    if (event.key === "Escape") document.querySelector("h1").focus();
    return;
  }
  // A key that is held down must not answer the next page as well.
  if (event.repeat) return;
  // Enter is for the control that has the focus, if one has.
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  const key = CSS.escape(names[event.key] || event.key);
  const control = document.querySelector(`[data-key~="${key}"]`);
  if (!control) return;
  event.preventDefault();
  if (control.matches("textarea")) control.focus();
  else control.click();
});
