package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The waits between two looks for what a pod needs and is not there, as a kubelet's but shorter.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 2 * time.Second
)

// supplies are what a process pod is given by other objects.
type supplies struct {
	volumes map[string]map[string][]byte // a volume's files, by name
	values  map[string]string            // of the environment, by variable
}

// value is a variable's that another object gives.
func (s *supplies) value(name string) (value string, there bool) {
	if s == nil {
		return "", false
	}
	value, there = s.values[name]
	return value, there
}

// supply has a process pod launched once all is there that it is to read; until then its container is being created.
func (p *pod) supply(ctx context.Context, wait time.Duration) {
	if p.ending || p.finished || p.dead.Load() {
		return
	}
	if !p.wants() {
		p.launch(ctx)
		return
	}
	p.a.done.Go(func() { // an API server that is away must not hold up other pods
		found, err := p.fetch(ctx)
		if err == nil {
			err = p.lay(found)
		}
		p.post(func(ctx context.Context) { p.supplied(ctx, found, err, wait) })
	})
}

// supplied launches the pod, or looks again later.
func (p *pod) supplied(ctx context.Context, s *supplies, err error, wait time.Duration) {
	switch {
	case p.finished:
		p.clear()
	case err == nil:
		p.supplies = s
		p.launch(ctx)
	default:
		if err.Error() != p.lacked {
			p.lacked = err.Error()
			p.warn(time.Now(), "FailedMount", p.lacked)
			p.write()
		}
		time.AfterFunc(wait, func() { p.post(func(ctx context.Context) { p.supply(ctx, min(2*wait, lastLook)) }) })
	}
}

// reference is a variable's to a key of another object.
type reference struct {
	kind, name, key string
	optional        *bool
}

// referenceOf is a variable's; nil where it has none.
func referenceOf(e corev1.EnvVar) *reference {
	switch from := e.ValueFrom; {
	case from == nil:
	case from.SecretKeyRef != nil:
		return &reference{"secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key, from.SecretKeyRef.Optional}
	case from.ConfigMapKeyRef != nil:
		return &reference{"configmap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Optional}
	}
	return nil
}

// wants says whether the pod is given anything by other objects.
func (p *pod) wants() bool {
	return len(p.object.Spec.Volumes) > 0 ||
		slices.ContainsFunc(p.object.Spec.Containers[0].Env, func(e corev1.EnvVar) bool { return referenceOf(e) != nil })
}

// fetch gets all that the pod is given, or says what is not there.
func (p *pod) fetch(ctx context.Context) (*supplies, error) {
	s := &supplies{map[string]map[string][]byte{}, map[string]string{}}
	for _, v := range p.object.Spec.Volumes {
		files, err := p.filesOf(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
		s.volumes[v.Name] = files
	}
	for _, e := range p.object.Spec.Containers[0].Env {
		r := referenceOf(e)
		if r == nil {
			continue
		}
		files, err := p.data(ctx, r.kind, r.name, r.optional, []corev1.KeyToPath{{Key: r.key, Path: e.Name}})
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", e.Name, err)
		}
		if value, there := files[e.Name]; there {
			s.values[e.Name] = string(value)
		}
	}
	return s, nil
}

// filesOf are what a volume begins with.
func (p *pod) filesOf(ctx context.Context, v corev1.Volume) (map[string][]byte, error) {
	switch {
	case v.EmptyDir != nil, v.Projected != nil: // the service account's token is projected, and nobody here speaks to the API server
		return nil, nil
	case v.Secret != nil:
		return p.data(ctx, "secret", v.Secret.SecretName, v.Secret.Optional, v.Secret.Items)
	case v.ConfigMap != nil:
		return p.data(ctx, "configmap", v.ConfigMap.Name, v.ConfigMap.Optional, v.ConfigMap.Items)
	}
	return nil, errors.New("this lab has secret, configMap and emptyDir volumes only")
}

// data is what a Secret or a ConfigMap holds: the keys that items name under their paths, else all.
func (p *pod) data(ctx context.Context, kind, name string, optional *bool, items []corev1.KeyToPath) (map[string][]byte, error) {
	all, err := p.read(ctx, kind, name)
	lenient := optional != nil && *optional
	if err != nil {
		if lenient {
			return nil, nil
		}
		return nil, err
	}
	if items == nil {
		return all, nil
	}
	files := map[string][]byte{}
	for _, item := range items {
		text, there := all[item.Key]
		if !there && !lenient {
			return nil, fmt.Errorf("%s %q has no key %q", kind, name, item.Key)
		}
		if there {
			files[item.Path] = text
		}
	}
	return files, nil
}

func (p *pod) read(ctx context.Context, kind, name string) (map[string][]byte, error) {
	core := p.a.config.Client.CoreV1()
	if kind == "secret" {
		o, err := core.Secrets(p.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return o.Data, nil
	}
	o, err := core.ConfigMaps(p.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	all := o.BinaryData
	if all == nil {
		all = map[string][]byte{}
	}
	for key, text := range o.Data {
		all[key] = []byte(text)
	}
	return all, nil
}

// folder is where the pod's volumes are; of a volume, where it is.
func (p *pod) folder(volume string) string {
	return filepath.Join(p.a.config.Volumes, string(p.uid), volume)
}

// lay writes the pod's volumes, for nobody else to read.
func (p *pod) lay(s *supplies) error {
	if len(s.volumes) > 0 && p.a.config.Volumes == "" {
		return errors.New("this agent has no folder for volumes")
	}
	for volume, files := range s.volumes {
		if err := os.MkdirAll(p.folder(volume), 0o700); err != nil {
			return err
		}
		for name, text := range files {
			if !filepath.IsLocal(name) {
				return fmt.Errorf("volume %q: %q is no path within it", volume, name)
			}
			path := filepath.Join(p.folder(volume), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
			_ = os.Remove(path) // what an earlier try may have left cannot be written over
			if err := os.WriteFile(path, text, 0o400); err != nil {
				return err
			}
		}
	}
	return nil
}

// clear removes the pod's volumes.
func (p *pod) clear() {
	if p.a.config.Volumes != "" && len(p.object.Spec.Volumes) > 0 {
		_ = os.RemoveAll(p.folder("")) // what is left goes with the lab
	}
}
