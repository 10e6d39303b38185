package fit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// warnings collects what a reader must know before believing a figure.
type warnings struct{ list []record.Warning }

func (w *warnings) say(code, de, en string) {
	w.list = append(w.list, record.Warning{Code: code, Text: scenarios.Text{"de": de, "en": en}})
}

// number writes a figure for both languages.
func number(x float64, digits int) (de, en string) {
	en = strconv.FormatFloat(x, 'f', digits, 64)
	return scenarios.Decimal(en, "de"), en
}

func (w *warnings) collinear(workload string, condition float64) {
	de, en := number(condition, 0)
	w.say("demand-collinear",
		fmt.Sprintf("Anwendung %s: die Schritte lassen sich in ihren Kosten nicht auseinanderhalten (Konditionszahl %s, Grenze %d). Ein Kalibrierlauf mit anderem Mischungsverhältnis hilft.", workload, de, Harmful),
		fmt.Sprintf("Workload %s: the steps' costs cannot be told apart (condition number %s, limit %d). A calibration run with another mix would help.", workload, en, Harmful))
}

func (w *warnings) divided(workload string, steps []string) {
	list := strings.Join(steps, ", ")
	w.say("demand-divided",
		fmt.Sprintf("Anwendung %s: was die Schritte %s einzeln kosten, ist kaum zu messen, nur was alle zusammen kosten. Aufgeteilt ist es nach der Plattformbeschreibung; die Spannen zeigen es.", workload, list),
		fmt.Sprintf("Workload %s: what the steps %s cost each can hardly be measured, only what all cost together. It is divided as the platform's description has it; the intervals show that.", workload, list))
}

func (w *warnings) idleUnknown(workload string) {
	w.say("idle-unknown",
		fmt.Sprintf("Anwendung %s: der Grundverbrauch der Pods lässt sich nicht vom Verbrauch der Anfragen trennen; er ist ihnen zugerechnet.", workload),
		fmt.Sprintf("Workload %s: what pods use when idle cannot be told from what requests use; it is counted as theirs.", workload))
}

func (w *warnings) uncalibrated(workload string) {
	w.say("no-calibration",
		fmt.Sprintf("Anwendung %s: kein ausreichender Kalibrierlauf; die Kosten sind aus der Welle selbst geschätzt, in der Last und Replikate zusammen steigen.", workload),
		fmt.Sprintf("Workload %s: no sufficient calibration run; costs are estimated from the surge itself, in which load and replicas rise together.", workload))
}

func (w *warnings) noFreedom(workload string, slots, free int) {
	w.say("no-residual-freedom",
		fmt.Sprintf("Anwendung %s: %d Messintervalle lassen der Anpassung keine Abweichungen, an denen sich ihre Genauigkeit ablesen ließe (Freiheitsgrade: %d, nötig %d); die Spannen der Kosten sind kaum mehr als geraten. Länger laufen lassen oder öfter messen.", workload, slots, max(0, free), leastFreedom),
		fmt.Sprintf("Workload %s: %d scrape intervals leave the fit no residuals from which its precision could be told (degrees of freedom: %d, need %d); the costs' intervals are hardly more than a guess. Run longer, or scrape more often.", workload, slots, max(0, free), leastFreedom))
}

func (w *warnings) unclean(workload string, clean, need int) {
	w.say("demand-unclean",
		fmt.Sprintf("Anwendung %s: nur %d Messintervalle ohne junge Pods und ohne viele Fehler (nötig %d); auch die übrigen gehen in die Kosten ein und machen sie eher zu hoch.", workload, clean, need),
		fmt.Sprintf("Workload %s: only %d scrape intervals without young pods or many errors (need %d); the others are used too and rather raise the costs.", workload, clean, need))
}

func (w *warnings) unseen(workload, step string) {
	w.say("step-without-demand",
		fmt.Sprintf("Anwendung %s, Schritt %s: kein CPU-Bedarf nachweisbar; er kam nicht vor oder steckt in einem anderen Schritt.", workload, step),
		fmt.Sprintf("Workload %s, step %s: no CPU demand can be shown; it did not occur or hides in another step.", workload, step))
}

func (w *warnings) noFloor(workload, step string) {
	w.say("no-floor",
		fmt.Sprintf("Anwendung %s, Schritt %s: keine ruhige Minute gemessen; die Antwortzeit ohne Last ist aus dem CPU-Bedarf abgeleitet, Wartezeiten auf Hintergrunddienste fehlen.", workload, step),
		fmt.Sprintf("Workload %s, step %s: no quiet minute was measured; the unloaded response time is derived from the CPU demand, waits for back ends are missing.", workload, step))
}

func (w *warnings) loadedFloor(workload, step string, used float64) {
	de, en := number(100*used, 0)
	w.say("floor-loaded",
		fmt.Sprintf("Anwendung %s, Schritt %s: auch die ruhigsten Minuten hatten %s %% Auslastung; die Antwortzeit ohne Last ist zu hoch geschätzt.", workload, step, de),
		fmt.Sprintf("Workload %s, step %s: even the quietest minutes had %s %% utilisation; the unloaded response time is estimated too high.", workload, step, en))
}

func (w *warnings) noWarmUp(workload string, slots int) {
	w.say("no-warm-up",
		fmt.Sprintf("Anwendung %s: nur %d Messintervalle mit jungen Pods (nötig %d); für junge Pods gilt, was die Plattformbeschreibung sagt.", workload, slots, leastWarmUp),
		fmt.Sprintf("Workload %s: only %d scrape intervals with young pods (need %d); young pods are taken to be as the platform is described.", workload, slots, leastWarmUp))
}

func (w *warnings) noKnee(workload string, atLeast float64) {
	de, en := number(atLeast, 1)
	w.say("knee-not-observed",
		fmt.Sprintf("Anwendung %s: der Wendepunkt der Kapazität wurde nicht erreicht; belegt sind mindestens %s Anfragen/s je Mandant.", workload, de),
		fmt.Sprintf("Workload %s: the knee of the capacity was not passed; shown are at least %s requests/s a tenant.", workload, en))
}

// backend says whether a back end serves less when more is asked of it.
func (w *warnings) backend(name string, b *Backend) {
	if !b.KneeObserved {
		de, en := number(b.AtLeast, 1)
		w.say("backend-knee-not-observed",
			fmt.Sprintf("Hintergrunddienst %s: ein Wendepunkt wurde nicht beobachtet; belegt sind mindestens %s Anfragen/s.", name, de),
			fmt.Sprintf("Back end %s: knee not observed; shown are at least %s requests/s.", name, en))
		return
	}
	atDe, atEn := number(b.Knee.Value, 0)
	lowDe, lowEn := number(b.Knee.Low, 0)
	highDe, highEn := number(b.Knee.High, 0)
	if !b.Reached { // it rushed past
		leastDe, leastEn := number(b.AtLeast, 1)
		w.say("backend-knee-observed",
			fmt.Sprintf("Hintergrunddienst %s: Wendepunkt beobachtet, zwischen %s und %s Anfragen zugleich; mit mehr schafft er weniger. Wie viel er dort schafft, war nicht zu sehen: mindestens %s Anfragen/s.", name, lowDe, highDe, leastDe),
			fmt.Sprintf("Back end %s: knee observed, between %s and %s requests at a time; with more it serves less. What it serves there was not seen: at least %s requests/s.", name, lowEn, highEn, leastEn))
		return
	}
	mostDe, mostEn := number(b.Most.Value, 1)
	w.say("backend-knee-observed",
		fmt.Sprintf("Hintergrunddienst %s: Wendepunkt beobachtet. Er schafft am meisten, %s Anfragen/s, mit %s zugleich (%s bis %s); mit mehr schafft er weniger.", name, mostDe, atDe, lowDe, highDe),
		fmt.Sprintf("Back end %s: knee observed. It serves most, %s requests/s, with %s at a time (%s to %s); with more it serves less.", name, mostEn, atEn, lowEn, highEn))
}

func (w *warnings) fewStarts(workload string, n int) {
	w.say("few-scale-ups",
		fmt.Sprintf("Anwendung %s: nur %d Pod-Starts beobachtet (für belastbare Startzeiten %d nötig).", workload, n, fewDelays),
		fmt.Sprintf("Workload %s: only %d pod starts observed (%d are needed for sound start delays).", workload, n, fewDelays))
}

func (w *warnings) noPastEvents(a Estimate) {
	lowDe, lowEn := number(a.Low, 2)
	highDe, highEn := number(a.High, 2)
	w.say("demand-assumed",
		fmt.Sprintf("Es liegen keine früheren Ereignisse vor: dass die Welle das %s- bis %s-Fache der Vorhersage beträgt, ist eine Annahme.", lowDe, highDe),
		fmt.Sprintf("No past events were given: that the surge is %s to %s times the forecast is an assumption.", lowEn, highEn))
}

func (w *warnings) incomplete(id string) {
	w.say("run-incomplete",
		fmt.Sprintf("Lauf %s ist nicht vollständig; das Modell beruht auf dem, was da ist.", id),
		fmt.Sprintf("Run %s is not complete; the model rests on what is there.", id))
}

func (w *warnings) neighboursUnknown(pool string) {
	w.say("neighbours-unknown",
		fmt.Sprintf("Knotenpool %s: mehrere Anwendungen teilen sich die Knoten, aber keine war einmal laut und einmal leise; wie stark sie einander bremsen, ist nicht bekannt. Der Plan rechnet ohne das.", pool),
		fmt.Sprintf("Node pool %s: several workloads share the nodes, but none was loud at one time and quiet at another; how much they slow each other down is not known. The plan leaves it out.", pool))
}

// CodeOpen is the code of the warning that sums up what is not known.
const CodeOpen = "parameters-open"

// OpenWarning sums up which of the parameters are not known, and names the runs that would settle them; false where
// nothing is open.
func OpenWarning(all []Parameter) (record.Warning, bool) {
	w := &warnings{}
	w.open(all)
	if len(w.list) == 0 {
		return record.Warning{}, false
	}
	return w.list[0], true
}

func (w *warnings) open(all []Parameter) {
	var de, en [2][]string
	var runs []string
	for i := range all {
		p := &all[i]
		if !p.Open() || p.Needless || p.Kind == KindSurge { // which has a warning of its own
			continue
		}
		kind := 0
		if p.Status == Assumed {
			kind = 1
		}
		de[kind], en[kind] = append(de[kind], p.Name["de"]), append(en[kind], p.Name["en"])
		if p.Settles != "" && !slices.Contains(runs, p.Settles) {
			runs = append(runs, p.Settles)
		}
	}
	var says [2]string
	for kind, words := range [][2]string{{"Nicht gemessen", "Not measured"}, {"Wie beschrieben angenommen", "Assumed as described"}} {
		if len(de[kind]) > 0 {
			says[0] += fmt.Sprintf("%s: %s. ", words[0], strings.Join(de[kind], "; "))
			says[1] += fmt.Sprintf("%s: %s. ", words[1], strings.Join(en[kind], "; "))
		}
	}
	if says[0] == "" {
		return
	}
	if len(runs) > 0 {
		list := strings.Join(runs, ", ")
		says[0] += fmt.Sprintf("Klärung brächte ansturm calibrate mit: %s.", list)
		says[1] += fmt.Sprintf("ansturm calibrate would settle it with: %s.", list)
	}
	w.say(CodeOpen, strings.TrimSpace(says[0]), strings.TrimSpace(says[1]))
}

// memory warns of an autoscaler that looks at a memory which does not come down, and of one that may not suffice.
func (w *warnings) memory(workload string, m *Memory, described *scenarios.Workload) {
	if described == nil || !m.Known {
		return
	}
	if m.Flank == MemoryStays && scalesOnMemory(described) {
		de, en := number(100*m.Ratchet.Value, 0)
		w.say("memory-no-metric",
			fmt.Sprintf("Anwendung %s: die Autoskalierung richtet sich nach dem Arbeitsspeicher, aber %s %% eines Anstiegs bleiben belegt, wenn die Last fällt. So kommt sie nicht wieder herunter: der Speicher ist eine Grenze, keine Messgröße zum Skalieren.", workload, de),
			fmt.Sprintf("Workload %s: the autoscaling looks at memory, but %s %% of a rise stay when the load falls. It will not come down again: memory is a constraint here, not a metric to scale on.", workload, en))
	}
	open := float64(cmp.Or(described.Threads, 16) + cmp.Or(described.Backlog, 32))
	limit := described.Resources.Limits.Memory().AsApproximateFloat64()
	if most := m.Base.High + open*m.PerRequest.High; limit > 0 && most > limit {
		mostDe, mostEn := number(most/(1<<20), 0)
		limitDe, limitEn := number(limit/(1<<20), 0)
		w.say("memory-limit",
			fmt.Sprintf("Anwendung %s: mit allen %.0f Anfragen, die ein Pod annimmt, bräuchte er bis zu %s MiB Arbeitsspeicher; seine Grenze liegt bei %s MiB.", workload, open, mostDe, limitDe),
			fmt.Sprintf("Workload %s: with all the %.0f requests that a pod takes it would need up to %s MiB of memory; its limit is %s MiB.", workload, open, mostEn, limitEn))
	}
}

func scalesOnMemory(w *scenarios.Workload) bool {
	return w.HPA != nil && slices.ContainsFunc(w.HPA.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.Resource != nil && m.Resource.Name == corev1.ResourceMemory ||
			m.ContainerResource != nil && m.ContainerResource.Name == corev1.ResourceMemory
	})
}
