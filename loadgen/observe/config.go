package observe

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ansturm/ansturm/loadgen/cluster"
)

// Config says what to watch. The zero value of each field but Client and Tenants is its default.
type Config struct {
	Client *cluster.Client
	// Tenants are the namespaces to be watched; nothing of others is kept.
	Tenants []string
	// Selector is a label selector that all of the tenants' Deployments, ReplicaSets, Pods, HPAs and EndpointSlices
	// fulfil. Empty selects everything in the namespaces.
	Selector string
	// Together is the number of tenants from which the cluster is watched as a whole, and what is of other namespaces
	// passed over: fewer connections, but rights in all namespaces are needed. Where they are missing the namespaces are
	// watched one by one. Zero means 9.
	Together int
	// MetricsEvery is how often metrics.k8s.io is asked. Zero means DefaultMetricsEvery, below zero never.
	MetricsEvery time.Duration
	// Prometheus is asked for the queries, where there are any.
	Prometheus Prometheus
	// Scrapes are targets whose metrics are read.
	Scrapes []Scrape
	// SeriesEvery is how often Prometheus and the targets are asked. Zero means DefaultSeriesEvery.
	SeriesEvery time.Duration
	// HTTP asks Prometheus and the targets. Nil means a client with a timeout of 5 s.
	HTTP *http.Client
	// Now is the clock. Nil means the machine's.
	Now func() time.Time
}

// Defaults of Config's zero values.
const (
	// DefaultMetricsEvery is no divisor of a second, so that the answers' Dates bound the clock ever more narrowly.
	DefaultMetricsEvery = 1930 * time.Millisecond
	DefaultSeriesEvery  = 15 * time.Second
	defaultTogether     = 9
)

// Validate says what is wrong with c; it never changes it.
func (c Config) Validate() error {
	switch {
	case c.Client == nil:
		return errors.New("observe: no client")
	case len(c.Tenants) == 0:
		return errors.New("observe: no tenants")
	case c.Together < 0 || c.SeriesEvery < 0:
		return errors.New("observe: Together and SeriesEvery must not be negative")
	}
	if len(c.Prometheus.Queries) > 0 && c.Prometheus.URL == "" {
		return errors.New("observe: queries but no Prometheus to ask")
	}
	for i, s := range c.Scrapes {
		if s.URL == "" {
			return fmt.Errorf("observe: scrape %d has no URL", i)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Together == 0 {
		c.Together = defaultTogether
	}
	if c.MetricsEvery == 0 {
		c.MetricsEvery = DefaultMetricsEvery
	}
	if c.SeriesEvery == 0 {
		c.SeriesEvery = DefaultSeriesEvery
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 5 * time.Second}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
