package hpa

import (
	"testing"
	"time"
)

// reading is a container's second at which it had used so much processor time.
func reading(started, at, used time.Duration) Reading {
	return Reading{Started: started * time.Second, At: at * time.Second, CPU: used * time.Millisecond, Memory: int64(at)}
}

// TestMeter is rule 22 with scrapes every 15 seconds.
func TestMeter(t *testing.T) {
	const none = -1
	for _, test := range []struct {
		name     string
		readings []Reading
		want     int64 // millicores
		window   time.Duration
	}{
		{"never scraped", nil, none, 0},
		{"one scrape of an old container", []Reading{reading(0, 100, 50_000)}, none, 0},
		{"two", []Reading{reading(0, 100, 50_000), reading(0, 115, 57_500)}, 500, 15},
		{"the last two of three", []Reading{reading(0, 100, 0), reading(0, 115, 7_500), reading(0, 130, 9_000)}, 100, 15},
		{"a part of a millicore is one", []Reading{reading(0, 100, 0), reading(0, 115, 1)}, 1, 15},
		{"nothing is none", []Reading{reading(0, 100, 7), reading(0, 115, 7)}, 0, 15},
		{"9 s old", []Reading{reading(100, 109, 900)}, none, 0},
		{"10 s old: since its start", []Reading{reading(100, 110, 1_000)}, 100, 10},
		{"14 s old", []Reading{reading(100, 114, 1_400)}, 100, 14},
		{"15 s old, as long as a period", []Reading{reading(100, 115, 1_500)}, none, 0},
		{"10 s old goes before the reading before", []Reading{reading(100, 104, 400), reading(100, 110, 1_600)}, 160, 10},
		{"too young, then old enough to have two", []Reading{reading(100, 105, 500), reading(100, 120, 2_000)}, 100, 15},
		{"the same reading twice stays rated", []Reading{reading(0, 100, 0), reading(0, 115, 1_500), reading(0, 115, 1_500)}, 100, 15},
		{"the only reading twice", []Reading{reading(0, 100, 0), reading(0, 100, 0)}, none, 0},
		{"an older reading than the one it is rated from", []Reading{reading(0, 100, 0), reading(0, 115, 1_500), reading(0, 100, 0)}, none, 0},
		{"the first reading of one that started before the epoch", []Reading{reading(-10, 20, 900)}, none, 0},
		{"fresh, and started before the epoch", []Reading{reading(-5, 7, 600)}, 50, 12},
		{"the least there is", []Reading{{At: 100 * time.Second, Memory: 100}, {At: 115 * time.Second, CPU: 15, Memory: 115}}, 1, 15},
		{"2,000 cores", []Reading{reading(0, 100, 0), reading(0, 115, 30_000_000)}, 2_000_000, 15},
		{"restarted, and used more since", []Reading{reading(0, 100, 0), reading(0, 115, 1_500), reading(120, 125, 2_000)}, none, 0},
		{"restarted at the reading before, and used more since", []Reading{reading(0, 100, 0), reading(0, 115, 1_500), reading(115, 135, 2_000)}, none, 0},
		{"restarted", []Reading{reading(0, 100, 0), reading(0, 115, 1_500), reading(120, 125, 10)}, none, 0},
		{"restarted, its start at the reading before", []Reading{reading(0, 100, 0), reading(0, 115, 1_500), reading(115, 135, 10)}, none, 0},
		{"restarted and rated again", []Reading{reading(0, 115, 1_500), reading(120, 125, 0), reading(120, 140, 1_500)}, 100, 15},
	} {
		p := Pod{Containers: []Container{{Name: "app"}}}
		var m Meter
		for _, r := range test.readings {
			m.Take(r, 15*time.Second)
		}
		p.Measure([]Meter{m})
		if p.Sample.Has != (test.want != none) {
			t.Errorf("%s: sample %+v", test.name, p.Sample)
		}
		if usage, has := m.Usage(); has != p.Sample.Has || usage != p.Containers[0].Usage {
			t.Errorf("%s: alone it says %+v, %v; measured %+v", test.name, usage, has, p)
		}
		if !p.Sample.Has {
			continue
		}
		last := test.readings[len(test.readings)-1]
		want := Sample{Has: true, Time: last.At, Window: test.window * time.Second}
		if c := p.Containers[0]; c.Usage != Of(test.want, last.Memory) || c.Unlisted || p.Sample != want {
			t.Errorf("%s: %+v, sample %+v, want %d m and %+v", test.name, c, p.Sample, test.want, want)
		}
	}
}

// TestMeasure is a pod of several containers.
func TestMeasure(t *testing.T) {
	meter := func(readings ...Reading) (m Meter) {
		for _, r := range readings {
			m.Take(r, 15*time.Second)
		}
		return m
	}
	rated, later := meter(reading(0, 100, 0), reading(0, 115, 1_500)), meter(reading(0, 106, 0), reading(0, 116, 1_000))
	unrated, fresh := meter(reading(0, 100, 0)), meter(reading(103, 115, 600))
	backwards := meter(reading(0, 100, 100), reading(0, 115, 50))
	earlier := meter(reading(50, 100, 100), reading(40, 115, 150))
	for _, m := range []Meter{backwards, earlier} {
		if usage, has := m.Usage(); has {
			t.Errorf("%+v ran backwards, and is taken to use %+v", m, usage)
		}
	}
	for _, test := range []struct {
		name     string
		meters   []Meter
		sample   Sample
		unlisted [2]bool
	}{
		{"both", []Meter{rated, later}, Sample{true, 115 * time.Second, 15 * time.Second}, [2]bool{}},
		{"the earlier one's time", []Meter{later, rated}, Sample{true, 115 * time.Second, 15 * time.Second}, [2]bool{}},
		{"of two at the same time the first one's window", []Meter{rated, fresh}, Sample{true, 115 * time.Second, 15 * time.Second}, [2]bool{}},
		{"or this one's", []Meter{fresh, rated}, Sample{true, 115 * time.Second, 12 * time.Second}, [2]bool{}},
		{"one unrated", []Meter{rated, unrated}, Sample{}, [2]bool{false, true}},
		{"one scraped once, that started before the epoch", []Meter{rated, meter(reading(-10, 120, 900))}, Sample{}, [2]bool{false, true}},
		{"the first unrated", []Meter{unrated, rated}, Sample{}, [2]bool{true, true}},
		{"one never scraped", []Meter{rated, {}}, Sample{true, 115 * time.Second, 15 * time.Second}, [2]bool{false, true}},
		{"one without a meter", []Meter{later}, Sample{true, 116 * time.Second, 10 * time.Second}, [2]bool{false, true}},
		{"one whose counter ran backwards", []Meter{backwards, later}, Sample{true, 116 * time.Second, 10 * time.Second}, [2]bool{true, false}},
		{"one whose start ran backwards", []Meter{earlier, later}, Sample{true, 116 * time.Second, 10 * time.Second}, [2]bool{true, false}},
		{"none", nil, Sample{}, [2]bool{true, true}},
	} {
		p := Pod{Containers: []Container{{Usage: Of(7, 7)}, {Usage: Of(7, 7)}}, Sample: Sample{true, 1, 1}}
		p.Measure(test.meters)
		if p.Sample.Has != test.sample.Has || p.Sample.Has && p.Sample != test.sample {
			t.Errorf("%s: %+v, want %+v", test.name, p.Sample, test.sample)
		}
		for i, unlisted := range test.unlisted {
			if c := p.Containers[i]; p.Sample.Has && (c.Unlisted != unlisted || unlisted && c.Usage != (Amount{})) {
				t.Errorf("%s: container %d is %+v", test.name, i, c)
			}
		}
	}
}

func TestHousekeepingTakesOneToTwoPeriods(t *testing.T) {
	for u, want := range map[float64]time.Duration{0: 10 * time.Second, 0.25: 12500 * time.Millisecond, 1: 20 * time.Second} {
		if got := Housekeeping(10*time.Second, u); got != want {
			t.Errorf("%v: %v, want %v", u, got, want)
		}
	}
}
