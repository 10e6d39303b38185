package loadgen

import (
	"bytes"
	"slices"
)

// inPage is one thing that is looked for in an HTML page; exactly one of the names is set.
type inPage struct {
	field  string // the value of the form's field, or of the meta element, of that name
	action string // the URL of the form that has that id or name, or a field of that name
	link   string // the URL of the link that has that id, or those words in its text
}

// pageReader looks for things in HTML pages, in one pass. The first of like ones counts.
type pageReader struct {
	markup
	at    *page // the page's own URL
	base  page  // what its URLs start from
	goal  page
	want  []inPage
	found []bool
	left  int
	links bool // some link is wanted
	// give takes what was found, by index of want. Its value is valid during the call.
	give func(i int, value []byte)

	form   element // the form that is open
	inForm bool
	link   element
	inLink bool
	words  []byte // of the open link
	field  element
	area   []byte // text of the open textarea, or of the option
	option element
	state  fieldState
}

// fieldState is what the text at hand belongs to.
type fieldState uint8

const (
	noField fieldState = iota
	inTextarea
	inSelect
	inOption
)

// element holds the attributes that matter here.
type element struct {
	id, name, value, url, kind []byte
	hasURL, hasValue, checked  bool
	chosen                     bool // of a select: its value is that of a selected option
}

func (e *element) reset() {
	*e = element{id: e.id[:0], name: e.name[:0], value: e.value[:0], url: e.url[:0], kind: e.kind[:0]}
}

// read looks through a document that came from at; it gives how many things were not found.
func (r *pageReader) read(doc []byte, at *page, want []inPage, give func(i int, value []byte)) (missing int) {
	r.at, r.want, r.left, r.give = at, want, len(want), give
	r.base.copy(at)
	r.found = append(r.found[:0], make([]bool, len(want))...)
	r.inForm, r.inLink, r.state = false, false, noField
	r.links = slices.ContainsFunc(want, func(w inPage) bool { return w.link != "" })
	r.markup.reset(doc)
	hasBase := false
	for r.left > 0 {
		switch r.next() {
		case endOfPage:
			r.endField()
			r.endLink()
			return r.left
		case startTag:
			if equalFold(r.name, "base") && !hasBase {
				hasBase = r.rebase()
				continue
			}
			r.open()
		case endTag:
			r.shut()
		case textRun:
			r.run()
		}
	}
	return 0
}

// rebase takes the page's own word for what its URLs start from.
func (r *pageReader) rebase() bool {
	r.option.read(&r.markup, "href")
	return r.option.hasURL && r.base.resolve(r.option.url) == nil
}

// read takes the attributes of the tag at hand; url names the one that is a URL. Of like ones the first counts.
func (e *element) read(m *markup, url string) {
	e.reset()
	hasID, hasName, hasKind := false, false, false
	for key, value, more := m.attribute(); more; key, value, more = m.attribute() {
		switch {
		case equalFold(key, "id") && !hasID:
			e.id, hasID = appendAttribute(e.id, value), true
		case equalFold(key, "name") && !hasName:
			e.name, hasName = appendAttribute(e.name, value), true
		case equalFold(key, "type") && !hasKind:
			e.kind, hasKind = appendAttribute(e.kind, value), true
		case equalFold(key, "checked"), equalFold(key, "selected"):
			e.checked = true
		case url != "" && equalFold(key, url) && !e.hasURL:
			e.url, e.hasURL = appendAttribute(e.url, value), true
		case (equalFold(key, "value") || equalFold(key, "content")) && !e.hasValue:
			e.value, e.hasValue = appendAttribute(e.value, value), true
		}
	}
}

// open takes a start tag.
func (r *pageReader) open() {
	switch {
	case equalFold(r.name, "form"):
		if !r.inForm { // forms do not nest: browsers ignore an inner one
			r.form.read(&r.markup, "action")
			r.inForm = true
			r.onForm(func(w *inPage) bool { return string(r.form.id) == w.action || string(r.form.name) == w.action })
		}
	case r.links && (equalFold(r.name, "a") || equalFold(r.name, "area")):
		r.endLink()
		r.link.read(&r.markup, "href")
		r.inLink, r.words = r.link.hasURL, r.words[:0]
		r.onLink(func(w *inPage) bool { return string(r.link.id) == w.link })
	case equalFold(r.name, "input"), equalFold(r.name, "button"):
		r.field.read(&r.markup, "")
		r.inThisForm()
		r.onInput()
	case equalFold(r.name, "meta"):
		r.field.read(&r.markup, "")
		r.onField()
	case equalFold(r.name, "textarea"):
		r.openField(inTextarea)
	case equalFold(r.name, "select"):
		r.openField(inSelect)
	case equalFold(r.name, "option"):
		if r.endOption(); r.state == inSelect {
			r.option.read(&r.markup, "")
			r.area, r.state = r.area[:0], inOption
		}
	}
}

// onInput takes an input unless it is one that would not be sent: a box or button not chosen.
func (r *pageReader) onInput() {
	if equalFold(r.field.kind, "checkbox") || equalFold(r.field.kind, "radio") {
		if !r.field.checked {
			return
		}
		if !r.field.hasValue {
			r.field.value = append(r.field.value[:0], "on"...)
		}
	}
	r.onField()
}

// openField begins a field whose value follows its tag.
func (r *pageReader) openField(state fieldState) {
	r.endField()
	r.field.read(&r.markup, "")
	r.inThisForm()
	r.field.value, r.field.hasValue, r.area, r.state = r.field.value[:0], false, r.area[:0], state
}

// shut takes an end tag.
func (r *pageReader) shut() {
	switch {
	case equalFold(r.name, "form"):
		r.inForm = false
	case equalFold(r.name, "a"):
		r.endLink()
	case equalFold(r.name, "option"):
		r.endOption()
	case equalFold(r.name, "textarea"), equalFold(r.name, "select"):
		r.endField()
	}
}

// run takes a run of text.
func (r *pageReader) run() {
	if r.inLink {
		r.words = appendMarkup(r.words, r.text)
	}
	if r.state == inTextarea || r.state == inOption {
		r.area = appendMarkup(r.area, r.text)
	}
}

// endOption makes the option that ends the value of its select where it is the selected one, or the first.
func (r *pageReader) endOption() {
	if r.state != inOption {
		return
	}
	r.state = inSelect
	if r.option.checked || !r.field.hasValue {
		value := r.option.value
		if !r.option.hasValue {
			value = bytes.TrimSpace(r.area)
		}
		if r.field.chosen {
			return
		}
		r.field.value, r.field.hasValue, r.field.chosen = append(r.field.value[:0], value...), true, r.option.checked
	}
}

func (r *pageReader) endField() {
	r.endOption()
	if r.state == inTextarea {
		r.field.value = append(r.field.value[:0], bytes.TrimPrefix(bytes.TrimPrefix(r.area, []byte("\r")), []byte("\n"))...)
	}
	if r.state != noField {
		r.state = noField
		r.onField()
	}
}

func (r *pageReader) endLink() {
	if r.inLink {
		r.inLink = false
		r.onLink(func(w *inPage) bool { return containsWords(r.words, w.link) })
	}
}

// containsWords compares with every run of white space as one space.
func containsWords(text []byte, words string) bool {
	return bytes.Contains(bytes.Join(bytes.Fields(text), []byte(" ")), []byte(words))
}

// inThisForm says that the form at hand has the field at hand.
func (r *pageReader) inThisForm() {
	if r.inForm {
		r.onForm(func(w *inPage) bool { return string(r.field.name) == w.action })
	}
}

func (r *pageReader) onField() {
	for i := range r.want {
		if w := &r.want[i]; w.field != "" && !r.found[i] && string(r.field.name) == w.field {
			r.gave(i, r.field.value)
		}
	}
}

func (r *pageReader) onForm(is func(*inPage) bool) {
	for i := range r.want {
		if w := &r.want[i]; w.action != "" && !r.found[i] && is(w) {
			if !r.form.hasURL || len(trimURL(r.form.url)) == 0 { // then it goes back to where it came from
				r.gave(i, r.at.text)
				continue
			}
			r.gaveURL(i, r.form.url)
		}
	}
}

func (r *pageReader) onLink(is func(*inPage) bool) {
	if !r.link.hasURL {
		return
	}
	for i := range r.want {
		if w := &r.want[i]; w.link != "" && !r.found[i] && is(w) {
			r.gaveURL(i, r.link.url)
		}
	}
}

// gaveURL gives an absolute URL; one that cannot be gone to is not found.
func (r *pageReader) gaveURL(i int, url []byte) {
	r.goal.copy(&r.base)
	if r.goal.resolve(url) == nil {
		r.gave(i, r.goal.text)
	}
}

func (r *pageReader) gave(i int, value []byte) {
	r.found[i] = true
	r.left--
	r.give(i, value)
}
