package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"
)

// The Service behind metrics.k8s.io, as metrics-server calls itself.
const (
	metricsNamespace = "kube-system"
	metricsService   = "metrics-server"
)

// ServeMetrics serves metrics.k8s.io/v1beta1 with handler until the Plane stops, and returns when the API server hands it
// on. Only the API server is let in: callers must show its client certificate.
func (p *Plane) ServeMetrics(ctx context.Context, handler http.Handler) error {
	cert, key, err := p.ca.issue(metricsService, x509.ExtKeyUsageServerAuth, metricsService+"."+metricsNamespace+".svc")
	if err != nil {
		return fmt.Errorf("metrics API: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("metrics API: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(p.ca.cert)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("metrics API: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
			VerifyConnection: onlyFrontProxy, MinVersion: tls.VersionTLS13,
		},
	}
	p.metrics.Go(func() { _ = server.ServeTLS(listener, "", "") }) // ends with ErrServerClosed
	p.closeMetrics = func() { _ = server.Close() }
	if err := p.registerMetrics(ctx, listener.Addr().(*net.TCPAddr).Port); err != nil {
		return fmt.Errorf("metrics API: %w", err)
	}
	return nil
}

func onlyFrontProxy(s tls.ConnectionState) error {
	if s.PeerCertificates[0].Subject.CommonName != frontProxy {
		return errors.New("only the API server may ask")
	}
	return nil
}

// registerMetrics makes the API server hand metrics.k8s.io on to the port. A Service without pods needs an external name,
// and one of digits stays on loopback without asking a resolver.
func (p *Plane) registerMetrics(ctx context.Context, port int) error {
	client, err := kubernetes.NewForConfig(p.RESTConfig(Admin))
	if err != nil {
		return err
	}
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: metricsNamespace, Name: metricsService},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "127.0.0.1"},
	}
	if _, err := client.CoreV1().Services(metricsNamespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return err
	}
	body, err := json.Marshal(&apiregistration.APIService{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService"},
		ObjectMeta: metav1.ObjectMeta{Name: "v1beta1.metrics.k8s.io"},
		Spec: apiregistration.APIServiceSpec{
			Service: &apiregistration.ServiceReference{Namespace: metricsNamespace, Name: metricsService, Port: ptr.To(int32(port))},
			Group:   "metrics.k8s.io", Version: "v1beta1", CABundle: p.ca.pem, GroupPriorityMinimum: 100, VersionPriority: 100,
		},
	})
	if err != nil {
		return err
	}
	return client.RESTClient().Patch(types.ApplyPatchType).
		AbsPath("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io").Param("fieldManager", "ansturm-lab").
		Body(body).Do(ctx).Error()
}

// AwaitMetrics returns when the API server answers metrics.k8s.io, at most after a minute.
func (p *Plane) AwaitMetrics(ctx context.Context) error {
	return p.awaitAnswer(ctx, "/apis/metrics.k8s.io/v1beta1/nodes", func(last error) error {
		return fmt.Errorf("metrics API not served after a minute: %w", last)
	})
}
