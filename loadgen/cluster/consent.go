package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The label by which a namespace consents to be fired at.
const (
	ConsentLabel = "ansturm.dev/load-test"
	ConsentValue = "allowed"
)

// ErrNoConsent says that a namespace has not agreed to be fired at.
var ErrNoConsent = errors.New("no consent to a load test")

// NoConsentError names the namespaces that have not agreed, and those that do not exist. It is an ErrNoConsent.
type NoConsentError struct{ Without, Missing []string }

func (e *NoConsentError) Error() string {
	var parts []string
	if len(e.Without) > 0 {
		parts = append(parts, fmt.Sprintf("%s without the label %s: %s", count(len(e.Without), "namespace"), ConsentLabel, few(e.Without)))
	}
	if len(e.Missing) > 0 {
		parts = append(parts, fmt.Sprintf("%s not found: %s", count(len(e.Missing), "namespace"), few(e.Missing)))
	}
	return ErrNoConsent.Error() + ": " + strings.Join(parts, "; ")
}

func (e *NoConsentError) Unwrap() error { return ErrNoConsent }

// Consent returns nil only if every namespace carries the label of consent; it asks for each of them anew.
func (c *Client) Consent(ctx context.Context, namespaces []string) error {
	labels, err := c.namespaceLabels(ctx, namespaces)
	if err != nil {
		return fmt.Errorf("read consent: %w", err)
	}
	var no NoConsentError
	for _, name := range namespaces {
		switch found, exists := labels[name]; {
		case !exists:
			no.Missing = append(no.Missing, name)
		case found[ConsentLabel] != ConsentValue:
			no.Without = append(no.Without, name)
		}
	}
	if len(no.Without)+len(no.Missing) > 0 {
		return &no
	}
	return nil
}

// namespaceLabels are the labels of those of the namespaces that exist: by one list where that is allowed, else one by one.
func (c *Client) namespaceLabels(ctx context.Context, namespaces []string) (map[string]map[string]string, error) {
	labels := map[string]map[string]string{}
	err := list(ctx, c.groups[Core], "namespaces", "", "", func() *corev1.NamespaceList { return &corev1.NamespaceList{} },
		func(page *corev1.NamespaceList) {
			for _, n := range page.Items {
				if slices.Contains(namespaces, n.Name) {
					labels[n.Name] = n.Labels
				}
			}
		})
	if !apierrors.IsForbidden(err) {
		return labels, err
	}
	for _, name := range namespaces {
		var n corev1.Namespace
		switch err := c.groups[Core].Get().Resource("namespaces").Name(name).Do(ctx).Into(&n); {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("namespace %s: %w", name, err)
		default:
			labels[name] = n.Labels
		}
	}
	return labels, nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// few names at most five of them.
func few(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
