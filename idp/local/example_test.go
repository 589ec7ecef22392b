package local_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/local"
)

func Example() {
	people, err := local.New(local.Config{
		Name:   "emergency",
		Hasher: local.NewHasher(local.Bounds{}), // one for all sources of the process
		Users: []local.User{{
			Name: "breakglass",
			// printed by: caddy hash-password --algorithm argon2id
			Hash:   "$argon2id$v=19$m=47104,t=1,p=1$+UryB30hMQSminTxaRlW5A$aVkTbRPWxnEp3CbxJ5LFZG4FSQ9poQ04RRGOXQgFmpw",
			Email:  "breakglass@example.com",
			Groups: []string{"Supervisors"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	u, err := people.Find(ctx, "BreakGlass@example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Key(), u.In(idp.GroupRef{Source: "emergency", Name: "Supervisors"}))
	fmt.Println(people.Authenticate(ctx, u, "correct horse"))
	fmt.Println(errors.Is(people.Authenticate(ctx, nil, "correct horse"), idp.ErrBadCredentials))
	// Output:
	// emergency:breakglass true
	// <nil>
	// true
}
