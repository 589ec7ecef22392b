package ldap

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// TestDatesThatDoNotCome: whatever a directory writes, a person with that date can be kept.
func TestDatesThatDoNotCome(t *testing.T) {
	for _, n := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64, 9_000_000_000_000_000_000} {
		if _, err := json.Marshal(idp.User{PasswordExpires: fileTime(strconv.FormatInt(n, 10))}); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	if got := fileTime("133485408000000000"); !got.Equal(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", got)
	}
}
