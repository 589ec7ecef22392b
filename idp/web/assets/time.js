// Tells for how long a page can still be answered: a minute before the end, and at the end. The countdown is for the eyes;
// what is read aloud changes twice only.
const limit = document.querySelector("[data-seconds]")
if (limit) {
  const left = limit.querySelector(".left")
  const said = limit.querySelector(".said")
  const more = limit.querySelector("a")
  const end = Date.now() + limit.dataset.seconds * 1000
  let beat

  const tick = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000)
    if (seconds > 60) return
    if (seconds > 0) {
      left.setAttribute("aria-hidden", "true")
      left.textContent = seconds === 1 ? "1 second left." : seconds + " seconds left."
      said.textContent ||= "This page ends in less than a minute. “" + more.textContent + "” makes it last longer."
      limit.classList.add("short")
      return
    }
    clearInterval(beat)
    limit.classList.add("over")
    left.textContent = ""
    said.textContent = "This page has ended. Nothing is lost."
    more.textContent = "Go on"
  }
  beat = setInterval(tick, 1000)
  // A computer that slept, or a page in the background, has missed some.
  document.addEventListener("visibilitychange", tick)
  tick()
}
