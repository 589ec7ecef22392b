package e2e

// controls are those that can be seen, but for what no person is meant to press. An open menu is all that there is.
const controls = `[...(document.querySelector("[popover]:popover-open") ?? document).querySelectorAll("a[href], button, input, select, textarea, summary")].filter((e) =>
	!e.matches(".away") && e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.getBoundingClientRect().width > 1)`

// crowded says what is wrong with a page: what runs over the edge of its part of it, and controls that are cut off, lie under
// something else, or are in each other's way. An address that is shortened with dots is written out elsewhere.
const crowded = `(() => {
	const name = (e) => e?.outerHTML.slice(0, 120) ?? "nothing"
	const wrong = [...document.querySelectorAll("body *:not(input, .away, .said, .user)")].filter((e) =>
		e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).textOverflow !== "ellipsis").map((e) => "too wide: " + name(e))
	const boxes = ` + controls + `.map((e) => {
		const box = e.getBoundingClientRect()
		if (box.left < -1 || box.right > innerWidth + 1 || box.top + scrollY < -1) wrong.push(name(e) + " sticks out")
		return [e, new DOMRect(box.x, box.y + scrollY, box.width, box.height)]
	})
	boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
		const across = Math.min(p.right, q.right) - Math.max(p.left, q.left), down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top)
		if (across > 1 && down > 1) wrong.push(name(a) + " and " + name(b) + " overlap")
	}))
	for (const [e] of boxes) {
		e.scrollIntoView({block: "center"})
		const line = e.getClientRects()[0]
		const hit = document.elementFromPoint(line.left + line.width / 2, line.top + line.height / 2)
		if (!e.contains(hit) && hit?.closest("label")?.control !== e) wrong.push(name(hit) + " lies on " + name(e))
	}
	scrollTo(0, 0)
	return wrong
})()`

// zoom looks at the page as somebody sees it who has enlarged a window of 1280 by 900 pixels to a percentage: nothing scrolls
// sideways, and no control is cut off or in the way of another (WCAG 2.2, 1.4.4 and 1.4.10).
func (b *Browser) zoom(name string, percent int) {
	b.t.Helper()
	width := 1280 * 100 / percent
	b.View(width, 900*100/percent, false)
	if wide := Eval[float64](b, "document.documentElement.scrollWidth"); wide > float64(width) {
		b.t.Errorf("%s at %d %% scrolls sideways: %v of %d pixels", name, percent, wide, width)
	}
	for _, fault := range Eval[[]string](b, crowded) {
		b.t.Errorf("%s at %d %%: %s", name, percent, fault)
	}
}
