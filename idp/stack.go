package idp

// stackStep is what a launch needs of its stack, the signature in it.
const stackStep = 14 << 10

// GrowStack makes room on the goroutine's stack, so many steps of 14 KiB, at once and while few frames are on it. A stack grows by
// doubling, and each time every frame so far is looked up in the program's tables, copied and adjusted: on the way down into a signature
// that takes time, and on the way down into SQLite it keeps a megabyte of tables in memory that nobody needs again.
//
//go:noinline
func GrowStack(steps int) {
	var room [stackStep]byte
	touch(&room)
	if steps > 1 {
		GrowStack(steps - 1)
	}
}

// touch keeps the compiler from seeing that nobody uses the room.
//
//go:noinline
func touch(*[stackStep]byte) {}
