// Package idp is the gateway: it proves who people are, asks what policy asks, and signs them in to
// applications. It knows nothing of Caddy.
//
// # The map
//
// The vocabulary comes first, and drivers need nothing else: User and Group (user.go), Source
// (source.go), Factor and Proof (factor.go), Application and Launch (application.go), Policy (policy.go),
// the stores (stores.go), Event (event.go), Error (errors.go), Secret (secret.go).
//
// [New] (gateway.go) builds a [Gateway] from a [Config] (config.go). A request then passes these rooms:
//
//	routes.go    rules for every address: headers, host, methods, forms of other sites; then the handler
//	session.go   cookies become a visitor; a rise in privilege becomes a new session id
//	refresh.go   whether that person still is who they were: looked up again every few minutes
//	endings.go   the end of all sessions of a person, those included that are just being made
//	flow.go      the sign-in in progress, f: found, spent by each form, begun anew
//	login.go     name and password; judgement.go has them judged, and shows nothing of whose the name is;
//	             passwordless.go, a factor in their place
//	logout.go    the end of a session
//	budget.go    how many wrong ones are passed on to a source; limit.go, debts.go and
//	             buckets.go hold to it
//	find.go      whose a typed name is; routing.go says which sources are asked for it
//	next.go      the only place that decides what comes after a step
//	judge.go     what a policy may look at of a request, as a [Visit] (visit.go)
//	decide.go    [Policy.Decide], pure, on what each section says (section.go; mfa-, place-, device-, timesections.go,
//	             outage.go); policies.go completes policies from the global one, guard.go adds those for some groups,
//	             edition.go the files that they read; explain.go decides again and says why, fallback.go who has none
//	readiness.go which factors somebody can use now
//	mfa.go       a factor is challenged (step.go) and judged (tries.go: those that are just now); away.go where its page
//	             is not ours; enroll.go sets one up behind its gate, and setups.go keeps what is begun of that; fresh.go,
//	             what takes a second step that was passed a moment ago; rescue.go, codes in the place of one
//	             (recovery.go, bypass.go); factorlabel.go, what people call a factor
//	password.go  a new password, where it is due or wanted; passwordchange.go, passwordwords.go
//	device.go    "Is this your device?", and what a device remembers
//	portal.go    tiles, metadata, health (ready.go); settings.go (ownfactors.go, owndevices.go) and help.go
//	helpdesk.go  who may help whom; helpdeskpage.go does it, on what overview.go tells of a person, and onceform.go
//	             keeps a page that is loaded again from doing it again
//	news.go      what was changed of somebody's sign-in, told at the next visit
//	launch.go    the application's form, after its audit line is durable (audit.go)
//	render.go    pages of package web, and every error as one of them
//
// What administrators do by command is in administer.go, movesource.go, check.go, checkuser.go and
// checkpassword.go.
//
// No goroutine here outlives the request that needs it, and a Gateway holds no state that matters: that is in the store and in the
// [Limiter], which the configurations before and after a reload share.
package idp
