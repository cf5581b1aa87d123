package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/gateway"
)

// Metrics are the gateway's Prometheus metrics. Labels hold names out of the
// configuration and codes alone.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	rows     *prometheus.CounterVec
	cuts     *prometheus.CounterVec
}

// NewMetrics makes the metrics in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fhirgate_requests_total", Help: "FHIR requests by upstream, interaction and HTTP status.",
		}, []string{"upstream", "interaction", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fhirgate_request_seconds", Help: "Time from request to the end of the answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"upstream", "interaction"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fhirgate_resources_total", Help: "Resources judged on their way to callers: visible, masked (a part of visible), withheld.",
		}, []string{"upstream", "outcome"}),
		cuts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fhirgate_answers_cut_total", Help: "Answers cut because they could not be finished.",
		}, []string{"upstream"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.rows, m.cuts,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Record counts what became of the resources of a request.
func (m *Metrics) Record(r gateway.Record) {
	for outcome, n := range map[string]int{"visible": r.Counts.Seen - r.Counts.Withheld, "withheld": r.Counts.Withheld, "masked": r.Counts.Masked} {
		m.rows.WithLabelValues(r.Request.Upstream, outcome).Add(float64(n))
	}
}

func (m *Metrics) request(upstream string, code fhir.Code, status int, d time.Duration) {
	m.requests.WithLabelValues(upstream, code.String(), strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(upstream, code.String()).Observe(d.Seconds())
}

func (m *Metrics) cut(upstream string) { m.cuts.WithLabelValues(upstream).Inc() }
