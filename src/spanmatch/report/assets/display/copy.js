// Copying text, with a way out where the browser gives no clipboard.

const SHOWN = 2000;

/**
 * Copy a text that an element of the page shows too; a button says whether it was copied. Without a clipboard the text is
 * selected, so that the keyboard can copy it.
 * @param {HTMLElement} button
 * @param {HTMLElement} shown
 */
export async function copyText(button, shown) {
  const isCopied = await navigator.clipboard?.writeText(shown.textContent ?? "").then(
    () => true,
    () => false,
  );
  const before = button.dataset.label ?? button.textContent ?? "";
  button.dataset.label = before;
  button.textContent = isCopied ? "Copied" : "Selected: press Ctrl+C or \u2318C";
  if (!isCopied) selectText(shown);
  setTimeout(() => (button.textContent = before), SHOWN);
}

/** @param {HTMLElement} element */
function selectText(element) {
  element.closest("details")?.toggleAttribute("open", true);
  element.focus();
  getSelection()?.selectAllChildren(element);
}
