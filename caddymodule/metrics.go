package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// The collectors belong to the process: Caddy makes a registry for each configuration, and counters
// that started anew with each would fall at every reload. Labels come from the configuration and
// from fixed words, never from people: a user name or an address would make series without end.
var (
	logins = counter("logins_total", "Sign-ins, by source and result.", "source", "result")
	mfa    = counter("mfa_total", "Answers to a second factor, by factor and result.", "factor", "result")
	launch = counter("launches_total", "Launches of applications, by application and result.", "app", "result")
	outage = counter("outages_total", "Decisions made by the plan for a factor that could not be asked, by factor and verdict.", "factor", "verdict")
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: appName, Name: name, Help: help,
	}, labels)
}

// registerMetrics adds the collectors to the registry of a configuration.
func registerMetrics(r *prometheus.Registry) error {
	for _, c := range []prometheus.Collector{logins, mfa, launch, outage} {
		var already prometheus.AlreadyRegisteredError
		if err := r.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

func count(e idp.Event) {
	switch e.Kind {
	case idp.EventLogin:
		logins.WithLabelValues(e.Source, e.Result).Inc()
	case idp.EventMFA:
		mfa.WithLabelValues(e.Factor, e.Result).Inc()
	case idp.EventLaunch:
		launch.WithLabelValues(e.App, e.Result).Inc()
	case idp.EventOutage:
		outage.WithLabelValues(e.Factor, e.Result).Inc()
	}
}
