package observe

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are a role's counters, in a registry of their own. Labels are few and bounded: routes and
// statuses, never persons.
type Metrics struct {
	registry  *prometheus.Registry
	named     prometheus.Registerer // registry, with the role as a label
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

// NewMetrics makes the registry of a role ("bank"), with the Go runtime's and the process's own metrics.
func NewMetrics(role string) *Metrics {
	reg := prometheus.NewRegistry()
	m := &Metrics{
		registry: reg,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kozamori_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "method", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kozamori_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30},
		}, []string{"route"}),
	}
	m.named = prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, reg)
	m.named.MustRegister(m.requests, m.durations)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Counter registers and returns a counter, with the labels it will be counted by; it panics if the name is taken.
func (m *Metrics) Counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kozamori_" + name, Help: help}, labels)
	m.named.MustRegister(c)
	return c
}

// Gauge registers a value that is asked for at every scrape (the length of a queue).
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.named.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kozamori_" + name, Help: help}, read))
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

func (m *Metrics) request(route, verb string, status int, took time.Duration) {
	if route == "" {
		route = "none" // no route: the paths that strangers try must not become labels
	}
	m.requests.WithLabelValues(route, method(verb), strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}
