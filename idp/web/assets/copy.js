// Buttons that copy the text of the element named in data-copy, without its spaces.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break
  const label = button.textContent
  button.hidden = false
  button.setAttribute("aria-live", "polite")
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent.replace(/\s+/g, "")
    try {
      await navigator.clipboard.writeText(text)
      button.textContent = "Copied"
    } catch {
      button.textContent = "Select it by hand"
    }
    setTimeout(() => { button.textContent = label }, 3000)
  })
}
