package app

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
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
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	a.closers = append(a.closers, provider.Shutdown)
	return nil
}
