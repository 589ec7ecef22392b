package local

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a hash may ask of the machine. The lower bounds are those of RFC 9106 §3.1 or above. The upper
// ones keep a hash that somebody else wrote into a configuration from eating memory or hours at each
// try of a password: at the limit one try takes about a second of one core.
const (
	minMemory = 8 << 10   // KiB
	maxMemory = 256 << 10 // KiB
	maxTime   = 16
	maxWork   = 1 << 20 // KiB times passes
	maxLanes  = 16
	minSalt   = 8 // bytes
	maxSalt   = 64
	minKey    = 16 // bytes
	maxKey    = 64
	maxText   = 256 // bytes of the whole string
)

// advisedWork is what the OWASP password storage cheat sheet asks of argon2id at the least:
// 46 MiB once, 19 MiB twice, 12 MiB three times and so on; all are 36 MiB times passes or more.
const advisedWork = 36 << 10

// params are the cost of a hash and the sizes of its parts.
type params struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint8
	salt   int // bytes
	key    int // bytes
}

// caddyParams is what `caddy hash-password --algorithm argon2id` uses unless told otherwise.
var caddyParams = params{memory: 46 << 10, time: 1, lanes: 1, salt: 16, key: 32}

func (p params) work() uint64 { return uint64(p.memory) * uint64(p.time) }

// hash is a parsed password hash. It has no exported fields and no String, and is never printed.
type hash struct {
	params
	saltBytes []byte
	keyBytes  []byte
}

// parseHash reads a PHC string of argon2id version 19. It is stricter than Caddy's own reader: one
// spelling for each hash, and bounds. Errors never repeat the text, which may be a password that was
// put where its hash belongs.
func parseHash(text string) (hash, error) {
	if len(text) > maxText {
		return hash{}, errors.New("it is too long to be an argon2id hash")
	}
	part := strings.Split(text, "$")
	switch {
	case strings.HasPrefix(text, "$2a$") || strings.HasPrefix(text, "$2b$") || strings.HasPrefix(text, "$2y$"):
		return hash{}, errors.New("it is a bcrypt hash, and argon2id is needed")
	case len(part) != 6 || part[0] != "" || part[1] != "argon2id":
		return hash{}, errors.New("it is not an argon2id hash")
	case part[2] != "v="+strconv.Itoa(argon2.Version):
		return hash{}, errors.New("its version is not 19")
	}
	p, err := parseCost(part[3])
	if err != nil {
		return hash{}, err
	}
	h := hash{params: p}
	if h.saltBytes, err = decode(part[4], minSalt, maxSalt); err != nil {
		return hash{}, fmt.Errorf("its salt %w", err)
	}
	if h.keyBytes, err = decode(part[5], minKey, maxKey); err != nil {
		return hash{}, fmt.Errorf("its key %w", err)
	}
	h.salt, h.key = len(h.saltBytes), len(h.keyBytes)
	return h, nil
}

// parseCost reads "m=47104,t=1,p=1".
func parseCost(s string) (params, error) {
	part := strings.Split(s, ",")
	if len(part) != 3 {
		return params{}, errors.New("it does not have the three parameters m, t and p")
	}
	memory, err := number(part[0], "m=", minMemory, maxMemory)
	if err != nil {
		return params{}, err
	}
	time, err := number(part[1], "t=", 1, maxTime)
	if err != nil {
		return params{}, err
	}
	lanes, err := number(part[2], "p=", 1, maxLanes)
	if err != nil {
		return params{}, err
	}
	p := params{memory: memory, time: time, lanes: uint8(lanes)} //nolint:gosec // G115: number keeps it at most maxLanes
	if p.work() > maxWork {
		return params{}, fmt.Errorf("m times t is %d, and at most %d is allowed", p.work(), maxWork)
	}
	return p, nil
}

// number reads a decimal after its prefix, without sign or leading zero.
func number(s, prefix string, least, most uint32) (uint32, error) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, fmt.Errorf("its parameter %s is not a number", prefix[:1])
	}
	if n < uint64(least) || n > uint64(most) {
		return 0, fmt.Errorf("its parameter %s is %d, and %d to %d is allowed", prefix[:1], n, least, most)
	}
	return uint32(n), nil
}

// decode reads base64 without padding, in its one canonical spelling.
func decode(s string, least, most int) ([]byte, error) {
	// The decoder skips line ends, which would give one hash many spellings.
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("is not base64 without padding")
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("has %d bytes, and %d to %d are allowed", len(b), least, most)
	}
	return b, nil
}
