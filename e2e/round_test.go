package e2e

import "github.com/chromedp/chromedp/kb"

// stops are the controls that Tab comes to, in the order of the page. Of the choices of one name that is one.
const stops = controls + `.filter((e) => e.tabIndex >= 0 && !e.disabled && (e.type !== "radio" || e.checked))`

// stop is what has the focus: its place among the stops, or -1, and what is wrong with how it is seen there.
const stop = `(() => {
	const e = document.activeElement, at = ` + stops + `.indexOf(e)
	if (at < 0) return {At: at, Wrong: ""}
	const style = getComputedStyle(e), box = e.getBoundingClientRect(), line = e.getClientRects()[0]
	const hit = document.elementFromPoint(line.left + line.width / 2, line.top + Math.min(line.height, innerHeight) / 2)
	let wrong = ""
	if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong = "the focus cannot be seen"
	else if (box.top < -1 || box.bottom > innerHeight + 1 && box.height < innerHeight) wrong = "the focus is out of sight"
	else if (!e.contains(hit) && hit?.closest("label")?.control !== e) wrong = "something lies on what has the focus"
	return {At: at, Wrong: wrong && wrong + ": " + e.outerHTML.slice(0, 120)}
})()`

// goRound presses Tab, with Shift for the way back, until the focus has been on each control of the page: in the order of the
// page, and where it can be seen (WCAG 2.2, 2.1.1, 2.4.3, 2.4.7 and 2.4.11).
func (b *Browser) goRound(name string, back bool) {
	b.t.Helper()
	step, press := 1, func() { b.press(kb.Tab) }
	if back {
		step, press = -1, b.pressBack
	}
	n := Eval[int](b, stops+`.length`)
	last, met := -1, map[int]bool{}
	for range n + 3 { // the page itself may be one of them, and a browser's own bar
		press()
		now := Eval[struct {
			At    int
			Wrong string
		}](b, stop)
		if now.Wrong != "" {
			b.t.Errorf("%s: %s", name, now.Wrong)
		}
		if last >= 0 && now.At >= 0 && now.At != (last+step+n)%n {
			b.t.Errorf("%s: from the control %d of %d the focus goes to %d", name, last, n, now.At)
		}
		if last = now.At; now.At >= 0 {
			met[now.At] = true
		}
		if len(met) == n {
			return
		}
	}
	b.t.Errorf("%s: the keyboard comes to %d of %d controls: %v", name, len(met), n, met)
}
