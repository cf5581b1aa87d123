package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/gateway"
)

// openTracing sets up OpenTelemetry when an endpoint is configured.
func (a *App) openTracing(ctx context.Context) error {
	c := a.config.Tracing
	if c.Endpoint == "" {
		return nil
	}
	headers := map[string]string{}
	for name, secret := range c.Headers {
		value, err := secret.Read()
		if err != nil {
			return fmt.Errorf("tracing.headers.%s: %w", name, err)
		}
		headers[name] = value
	}
	var client otlptrace.Client
	if c.Protocol == "grpc" {
		client = otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(c.Endpoint), otlptracegrpc.WithHeaders(headers))
	} else {
		client = otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(c.Endpoint), otlptracehttp.WithHeaders(headers))
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("fhirgate"), semconv.ServiceVersion(Version))),
	)
	a.traces = provider
	a.closers = append(a.closers, provider.Shutdown)
	return nil
}

// traceRequests puts a span around each request. otelhttp writes the URL into
// its spans, which names patients; it is shown an empty one.
func (a *App) traceRequests(next http.Handler) http.Handler {
	if a.traces == nil {
		return next
	}
	type urlKey struct{}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := r.Context().Value(urlKey{}).(*url.URL); ok {
			r.URL = u
		}
		next.ServeHTTP(w, r)
	})
	traced := otelhttp.NewHandler(inner, "fhir",
		otelhttp.WithTracerProvider(a.traces), otelhttp.WithPropagators(propagation.TraceContext{}), otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), urlKey{}, r.URL)
		hidden := r.WithContext(ctx)
		hidden.URL = &url.URL{Path: "/"}
		traced.ServeHTTP(w, hidden)
	})
}

// tracedPolicy puts a span around each request decision.
type tracedPolicy struct {
	next   gateway.Policy
	tracer trace.Tracer
}

// Plan implements gateway.Policy.
func (p tracedPolicy) Plan(ctx context.Context, r access.Request) (access.Plan, error) {
	ctx, span := p.tracer.Start(ctx, "policy", trace.WithAttributes(
		attribute.String("fhirgate.upstream", r.Upstream), attribute.String("fhirgate.interaction", r.Interaction.Code.String()),
		attribute.String("fhirgate.type", r.Interaction.Type)))
	defer span.End()
	plan, err := p.next.Plan(ctx, r)
	span.SetAttributes(attribute.String("fhirgate.revision", plan.Revision), attribute.Bool("fhirgate.allow", plan.Decision.Effect == access.Allow))
	if err != nil {
		span.SetStatus(codes.Error, "no usable decision")
	}
	return plan, err //nolint:wrapcheck // the gateway tells its causes apart
}

// tracedUpstream puts a span around each exchange, up to its header.
type tracedUpstream struct {
	gateway.Upstream
	tracer trace.Tracer
}

// Do implements gateway.Upstream.
func (u tracedUpstream) Do(ctx context.Context, e fhir.Exchange) (fhir.Answer, error) {
	ctx, span := u.tracer.Start(ctx, "upstream "+e.Method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	answer, err := u.Upstream.Do(ctx, e)
	span.SetAttributes(attribute.Int("http.response.status_code", answer.Status))
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
	}
	return answer, err //nolint:wrapcheck // the gateway tells its causes apart
}

// traced puts the ports of a gateway under spans when tracing is on.
func (a *App) traced(p gateway.Policy, u gateway.Upstream) (gateway.Policy, gateway.Upstream) {
	if a.traces == nil {
		return p, u
	}
	tracer := a.traces.Tracer("fhirgate")
	return tracedPolicy{next: p, tracer: tracer}, tracedUpstream{Upstream: u, tracer: tracer}
}
