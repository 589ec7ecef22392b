// Search by typing: a letter or / anywhere on the page starts it, arrows move, Enter opens.
const search = document.getElementById("search")
if (search) {
  const box = search.closest(".search")
  const found = document.getElementById("found")
  const items = [...document.querySelectorAll("#tiles > li")].map((li) => ({
    li, tile: li.querySelector(".tile"), words: plain(li.querySelector(".label").textContent),
  }))
  box.hidden = items.length < 6

  // Case and accents do not matter to somebody in a hurry.
  function plain(text) {
    return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase()
  }

  const visible = () => items.filter((item) => !item.li.hidden)

  function filter() {
    const terms = plain(search.value).split(/\s+/)
    for (const item of items) item.li.hidden = !terms.every((term) => item.words.includes(term))
    const n = visible().length
    if (!search.value) found.textContent = ""
    else if (n === 0) found.textContent = "No app has that name."
    else found.textContent = n === 1 ? "1 app. Press Enter to open it." : n + " apps"
  }

  function clear() {
    search.value = ""
    filter()
  }

  // The tile one step away: the next one in a row, the nearest one in the row above or below.
  function neighbour(from, key) {
    const tiles = visible().map((item) => item.tile)
    const at = tiles.indexOf(from)
    if (key === "ArrowRight") return tiles[at + 1]
    if (key === "ArrowLeft") return tiles[at - 1]
    const here = from.getBoundingClientRect()
    const down = key === "ArrowDown"
    const rows = tiles.map((tile) => ({ tile, box: tile.getBoundingClientRect() }))
      .filter(({ box }) => (down ? box.top >= here.bottom : box.bottom <= here.top))
    const far = ({ box }) => Math.abs(box.top - here.top) * 4 + Math.abs(box.left - here.left)
    return rows.sort((a, b) => far(a) - far(b))[0]?.tile
  }

  search.addEventListener("input", filter)
  search.addEventListener("keydown", (event) => {
    const first = visible()[0]?.tile
    if (event.key === "Enter" && search.value && first) first.click()
    else if (event.key === "ArrowDown" && first) first.focus()
    else if (event.key === "Escape") clear()
    else return
    event.preventDefault()
  })

  document.addEventListener("keydown", (event) => {
    const at = document.activeElement
    if (at === search || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    const tile = items.some((item) => item.tile === at) ? at : null
    if (tile && event.key.startsWith("Arrow")) {
      const next = neighbour(tile, event.key)
      if (next) next.focus()
      else if (event.key === "ArrowUp" && !box.hidden) search.focus()
      event.preventDefault()
    } else if (event.key === "Escape") {
      clear()
    } else if ((tile || at === document.body) && event.key.length === 1 && event.key !== " ") {
      box.hidden = false
      search.focus() // the letter itself lands in the field
      if (event.key === "/") event.preventDefault()
    }
  })
}
