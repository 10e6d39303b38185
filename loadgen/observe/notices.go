package observe

import (
	"cmp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ansturm/ansturm/loadgen/record"
)

// told are the reasons of the cluster's Events that are of interest; a cluster writes many more.
var told = map[string]bool{
	"Scheduled": true, "FailedScheduling": true, "Pulling": true, "Pulled": true, "Created": true, "Started": true,
	"Failed": true, "BackOff": true, "Unhealthy": true, "Killing": true, "Evicted": true, "Preempted": true, "TaintManagerEviction": true,
	"SuccessfulRescale": true, "FailedRescale": true, "FailedGetScale": true, "FailedGetResourceMetric": true,
	"FailedGetContainerResourceMetric": true, "FailedComputeMetricsReplicas": true, "AmbiguousSelector": true,
}

// noticeDigest is what matters of an Event.
type noticeDigest struct {
	namespace, object, reason, message, node string
	uid                                      types.UID
	count                                    int32
	exact                                    time.Time // to the microsecond; zero where it has only whole seconds
	stamp                                    time.Time
}

func digestNotice(e *corev1.Event) noticeDigest {
	d := noticeDigest{
		namespace: e.Namespace, object: e.InvolvedObject.Name, uid: e.InvolvedObject.UID, reason: e.Reason, message: e.Message,
		node: e.Source.Host, count: max(e.Count, 1), exact: e.EventTime.Time, stamp: e.LastTimestamp.Time,
	}
	if e.Series != nil {
		d.count, d.exact = e.Series.Count, e.Series.LastObservedTime.Time
	}
	if d.stamp.IsZero() {
		d.stamp = e.CreationTimestamp.Time
	}
	return d
}

// moment of a notice, come as s says.
func (d *noticeDigest) moment(s seen) moment {
	if !d.exact.IsZero() {
		return s.exact(d.exact)
	}
	return s.around(d.stamp)
}

func (o *Observer) noticeChanged(was, is *noticeDigest, s seen) {
	if is == nil || !told[is.reason] || was != nil && was.count == is.count {
		return
	}
	if o.emit == nil {
		return // what was before the run is not told
	}
	e := record.Event{Kind: record.KindNotice, Tenant: is.namespace, Object: is.object, Phase: is.reason, Message: is.message, Node: is.node}
	p := o.pods[is.uid]
	if p != nil {
		e.Workload, e.Node = p.workload.name, cmp.Or(p.node, is.node)
	} else if h := o.hpas[is.namespace+"/"+is.object]; h != nil {
		e.Workload = h.workload
	}
	o.say(e, is.moment(s), s)
	if is.reason == "Pulled" && is.uid != "" {
		o.noticePulled(p, is, s)
	}
}

// pulls counts a pod's images that are there.
type pulls struct {
	n       int
	seen    seen
	moment  moment
	message string
}

// noticePulled follows the pulls of a pod: it is through when every container has its image.
func (o *Observer) noticePulled(p *pod, d *noticeDigest, s seen) {
	c := o.earlyPulls[d.uid]
	if c == nil {
		c = &pulls{}
		o.earlyPulls[d.uid] = c
	}
	c.n++
	if m := d.moment(s); c.n == 1 || m.at.After(c.moment.at) {
		c.moment, c.seen = m, s
	}
	if c.message == "" || !strings.Contains(d.message, presentAlready) {
		c.message = d.message
	}
	if p != nil {
		o.pulled(p, c)
	}
}

// presentAlready is how the kubelet says that there was nothing to pull.
const presentAlready = "already present on machine"

// pulled tells that a pod's images are there, if they all are.
func (o *Observer) pulled(p *pod, c *pulls) {
	if c.n < p.containers {
		o.earlyPulls[p.uid] = c
		return
	}
	delete(o.earlyPulls, p.uid)
	o.tell(p, record.PhasePulled, c.message, c.moment, c.seen)
}
