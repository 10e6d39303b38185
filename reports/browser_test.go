package reports

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser finds a headless Chromium. Without one the test is skipped, and fails where CI is "true".
func browser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("not opened in a browser: -short")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("NO CHROMIUM FOUND: the report was not opened in a browser (apt-get install chromium)")
	}
	t.Skip("NO CHROMIUM FOUND: the report was not opened in a browser (apt-get install chromium)")
	return ""
}

// tab is an open page that keeps what it complained about and what it asked for.
type tab struct {
	ctx        context.Context
	mu         sync.Mutex
	complaints []string
	requests   []string
}

// openPage shows a file in a fresh browser of the given width.
func openPage(t *testing.T, file string, width int64) *tab {
	t.Helper()
	page := &tab{}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options,
		chromedp.ExecPath(browser(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	page.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(page.hear))
	t.Cleanup(cancel)
	err := chromedp.Do(page.ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
		return err
	}), chromedp.EmulateViewport(width, 900), chromedp.Navigate("file://"+file))
	if err != nil {
		t.Fatalf("open %s: %v", filepath.Base(file), err)
	}
	return page
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			for _, arg := range e.Args {
				p.complaints = append(p.complaints, string(e.Type)+": "+string(arg.Value)+arg.Description)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.complaints = append(p.complaints, e.Entry.Text)
		}
	}
}

// eval runs a script in the page.
func eval[T any](t *testing.T, p *tab, script string) T {
	t.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return out
}

// pdf prints the page as a person would with A4 paper.
func pdf(t *testing.T, p *tab) []byte {
	t.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	if err != nil {
		t.Fatalf("print: %v", err)
	}
	return out
}
