package reports

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestWriteLook writes a full-size report and pictures of it into the folder REPORT_LOOK names, to be looked at:
//
//	REPORT_LOOK=/tmp/look go test ./reports -run TestWriteLook
func TestWriteLook(t *testing.T) {
	dir := os.Getenv("REPORT_LOOK")
	if dir == "" {
		t.Skip("REPORT_LOOK names no folder to write a report and its pictures to")
	}
	total, err := strconv.ParseInt(os.Getenv("REPORT_TOTAL"), 10, 64)
	if err != nil {
		total = 600_000
	}
	var out bytes.Buffer
	in := rushInput(t, total)
	start := time.Now()
	if err := HTML(&out, in, "de"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the page of two runs of %d arrivals took %v, %d bytes", total, time.Since(start).Round(time.Millisecond), out.Len())
	file := filepath.Join(dir, "report.html")
	save := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save("report.html", out.Bytes())
	for name, width := range map[string]int64{"desktop.png": 1280, "mobile.png": 390} {
		page := openPage(t, file, width)
		save(name, picture(t, page))
		height := eval[int](t, page, `document.documentElement.scrollHeight`)
		for y := 0; y < height; y += 880 {
			eval[any](t, page, fmt.Sprintf(`window.scrollTo(0, %d)`, y))
			shot, err := chromedp.Run(page.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			save(fmt.Sprintf("view-%d-%02d.png", width, y/880), shot)
		}
		if width > 600 {
			save("page.pdf", pdf(t, page))
			eval[any](t, page, `window.print = () => {}; document.documentElement.classList.add('print-all'); document.querySelectorAll('.version:not([hidden]) .chart').forEach(c => echarts.getInstanceByDom(c).resize({ width: 660, height: 300 }))`)
			save("all.pdf", pdf(t, page))
			eval[any](t, page, `document.documentElement.classList.remove('print-all')`)
			eval[any](t, page, `document.querySelector('.version:not([hidden]) button[data-lang=en]').click()`)
			save("page-en.pdf", pdf(t, page))
			save("english.png", picture(t, page))
		}
	}
}

func picture(t *testing.T, p *tab) []byte {
	t.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
