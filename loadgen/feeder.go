package loadgen

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/ansturm/ansturm/scenarios"
)

// feeder gives each arrival its data, as a pure function of Seq.
type feeder interface {
	columns() []string
	append(dst []byte, seq uint32, column int) []byte
}

// newFeeder opens a scenario's feeder.
func newFeeder(f scenarios.Feeder, files fs.FS) (feeder, error) {
	switch {
	case f.CSV != "" && f.Synthetic != "":
		return nil, errors.New("csv and synthetic are both set, one is enough")
	case f.CSV != "":
		t, err := scenarios.OpenTable(files, f.CSV)
		if err != nil {
			return nil, err
		}
		if len(t.Rows) == 0 {
			return nil, fmt.Errorf("csv %s: there is no row below the header", f.CSV)
		}
		return table{t}, nil
	case f.Synthetic == "person":
		return people{}, nil
	}
	return nil, fmt.Errorf("synthetic is %q, must be \"person\" where there is no csv", f.Synthetic)
}

// table is a CSV file with a header: the arrival seq has row seq modulo the number of rows.
type table struct{ *scenarios.Table }

func (t table) columns() []string { return t.Columns }

func (t table) append(dst []byte, seq uint32, column int) []byte {
	return append(dst, t.Rows[int(seq)%len(t.Rows)][column]...)
}

// people are persons who cannot be mistaken for real ones: their names are those of specimen documents, their town
// has a postcode that no town has (German postcodes begin at 01), their mail goes to example.org (RFC 2606).
type people struct{}

var personColumns = []string{"name", "firstName", "lastName", "street", "postcode", "city", "birthDate", "email", "phone"}

var (
	firstNames = []string{
		"Erika", "Max", "Lieschen", "Otto", "Beate", "Hans", "Petra", "Karl", "Gisela", "Fritz", "Helga", "Jürgen",
		"Ayşe", "Mehmet", "Łukasz", "Zoë", "Björn", "Käthe", "Ümit", "Svenja",
	}
	lastNames = []string{
		"Mustermann", "Musterfrau", "Beispiel", "Probe", "Muster", "Normalverbraucher", "Exempel", "Specimen",
		"Testperson", "Platzhalter", "Müller-Muster", "Groß-Beispiel", "von Muster", "Vorlage", "Schablone",
	}
	streets = []string{
		"Musterstraße", "Beispielweg", "Probeallee", "Am Testfeld", "Platzhaltergasse", "Vorlagenring",
		"Exempelufer", "Schablonenstieg",
	}
	towns = []string{"Musterstadt", "Beispielhausen", "Probedorf", "Testingen", "Neu Exempel"}
)

func (people) columns() []string { return personColumns }

func (p people) append(dst []byte, seq uint32, column int) []byte {
	draw := mix(uint64(seq) + 0x5851f42d4c957f2d)
	first := firstNames[draw%uint64(len(firstNames))]
	last := lastNames[draw>>8%uint64(len(lastNames))]
	switch personColumns[column] {
	case "name":
		return append(append(append(dst, first...), ' '), last...)
	case "firstName":
		return append(dst, first...)
	case "lastName":
		return append(dst, last...)
	case "street":
		dst = append(append(dst, streets[draw>>16%uint64(len(streets))]...), ' ')
		return strconv.AppendUint(dst, 1+draw>>24%180, 10)
	case "postcode":
		return appendPadded(append(dst, "00"...), draw>>32%1000, 3)
	case "city":
		return append(dst, towns[draw>>32%uint64(len(towns))]...)
	case "birthDate":
		return appendBirthDate(dst, draw>>40)
	case "email":
		dst = strconv.AppendUint(append(dst, "person-"...), uint64(seq), 10)
		return append(dst, "@example.org"...)
	case "phone": // a range kept free for film and fiction
		return appendPadded(append(dst, "+49 30 23125 "...), draw>>44%1000, 3)
	}
	return dst
}

// appendBirthDate writes a day of the years 1930 to 2007, so that everybody is of age.
func appendBirthDate(dst []byte, draw uint64) []byte {
	dst = strconv.AppendUint(dst, 1930+draw%78, 10)
	dst = appendPadded(append(dst, '-'), 1+draw/78%12, 2)
	return appendPadded(append(dst, '-'), 1+draw/936%28, 2)
}

// appendPadded writes n with zeros before it up to that many digits.
func appendPadded(dst []byte, n uint64, width int) []byte {
	limit := uint64(1)
	for range width - 1 {
		limit *= 10
	}
	for ; n < limit && limit > 1; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendUint(dst, n, 10)
}
