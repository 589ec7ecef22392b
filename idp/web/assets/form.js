// A second click while the first is on its way would spend the step twice. After a while another try is
// allowed, in case the answer never came.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if ("busy" in form.dataset) return event.preventDefault()
    form.dataset.busy = ""
    setTimeout(() => { delete form.dataset.busy }, 8000)
  })
}

// The browser may bring the page back as it was left.
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.busy
})

for (const button of document.querySelectorAll(".reveal")) {
  const input = document.getElementById(button.getAttribute("aria-controls"))
  button.hidden = false
  button.addEventListener("click", () => {
    const shown = input.type === "password"
    input.type = shown ? "text" : "password"
    const label = button.textContent
    button.textContent = button.dataset.other
    button.dataset.other = label
    input.focus()
  })
  // Browsers offer to remember what is sent in a plain text field.
  input.form.addEventListener("submit", () => { input.type = "password" })
}
