package chain

import "github.com/ansturm/ansturm/scenarios"

// Reason says why something cannot be attributed.
type Reason string

// The reasons.
const (
	NoSamples   Reason = "no-samples"    // the timeline has no metrics of the workload
	NoTarget    Reason = "no-target"     // it does not scale on CPU utilisation, or its target is not known
	NotAbove    Reason = "not-above"     // no sample above the target came before
	NotSeen     Reason = "not-seen"      // a later stage was seen, this one was not
	NoRoom      Reason = "no-room"       // no node had room until the end
	PodGone     Reason = "pod-gone"      // the pod was removed before
	TakenBack   Reason = "taken-back"    // scaled down again before the pods came
	NoPod       Reason = "no-pod"        // asked for, and never created
	EndOfRecord Reason = "end-of-record" // the record ends before
)

var reasons = map[Reason]scenarios.Text{
	NoSamples:   {"de": "keine Messwerte dieser Anwendung", "en": "no samples of this workload"},
	NoTarget:    {"de": "skaliert nicht nach CPU-Auslastung, oder das Ziel ist nicht bekannt", "en": "does not scale on CPU utilisation, or its target is not known"},
	NotAbove:    {"de": "kein Messwert über dem Ziel davor: aus anderem Grund skaliert", "en": "no sample above the target before it: scaled for another reason"},
	NotSeen:     {"de": "nicht gesehen, eine spätere Stufe schon", "en": "not seen, though a later stage was"},
	NoRoom:      {"de": "kein Knoten hatte Platz", "en": "no node had room"},
	PodGone:     {"de": "der Pod wurde vorher entfernt", "en": "the pod was removed before"},
	TakenBack:   {"de": "vorher wieder herunterskaliert", "en": "scaled down again before"},
	NoPod:       {"de": "verlangt, aber nie angelegt", "en": "asked for, and never created"},
	EndOfRecord: {"de": "die Aufzeichnung endet vorher", "en": "the record ends before"},
}

// Unseen says whether what is missing happened, or may have, and was not seen; the other reasons say that it did not happen.
func (r Reason) Unseen() bool {
	switch r {
	case "", EndOfRecord, NoRoom, PodGone, TakenBack:
		return false
	}
	return true
}

// Text says the reason in both languages.
func (r Reason) Text() scenarios.Text {
	if t, known := reasons[r]; known {
		return t
	}
	return scenarios.Text{"de": string(r), "en": string(r)}
}
