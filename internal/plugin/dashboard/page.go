package dashboard

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
)

// The parts of the page.
var (
	//go:embed web/index.html
	html []byte
	//go:embed web/style.css
	style []byte
	//go:embed web/format.js
	formatModule []byte
	//go:embed web/store.js
	storeModule []byte
	//go:embed web/draw.js
	drawModule []byte
	//go:embed web/timeline.js
	timelineModule []byte
	//go:embed web/side.js
	sideModule []byte
	//go:embed web/live.js
	liveModule []byte
	//go:embed web/app.js
	appModule []byte
)

// modules are the parts of the script, each after those that it imports. They become one script, so that a file needs nothing else.
var modules = [][]byte{formatModule, storeModule, drawModule, timelineModule, sideModule, liveModule, appModule}

var (
	importLine = regexp.MustCompile(`(?m)^import .*\n`)
	exportWord = regexp.MustCompile(`(?m)^export `)
)

// page is the page, without data, and the policy that its content keeps to.
type page struct {
	before, after []byte
	policy        string
}

// newPage puts the parts together.
func newPage() *page {
	var script []byte
	for _, module := range modules {
		script = append(script, exportWord.ReplaceAll(importLine.ReplaceAll(module, nil), nil)...)
	}
	p := &page{policy: "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) +
		"; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"}
	styled := bytes.Replace(html, []byte("<!--style-->"), []byte("<style>"+string(style)+"</style>"), 1)
	before, after, _ := bytes.Cut(styled, []byte("<!--data-->"))
	p.before = before
	p.after = bytes.Replace(after, []byte("<!--script-->"), []byte(`<script type="module">`+string(script)+"</script>"), 1)
	return p
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// served is the page that asks a command for its data.
func (p *page) served() []byte {
	return append(bytes.Replace(p.before, []byte("<!--policy-->"), nil, 1), p.after...)
}

// WritePage writes the page as one file, with the data in it. It needs no server, and loads nothing.
func WritePage(w io.Writer, in *Input) error {
	p, doc := newPage(), Build(in)
	doc.Stream = "file"
	doc.Details = map[string]Detail{}
	explain := newExplainer(in)
	for i := range doc.Rows {
		doc.Details[doc.Rows[i].Node] = explain.detail(doc.Rows[i].Node)
	}
	// json.Marshal writes <, > and & as escapes: nothing in the data can end the element that it is in.
	data, _ := json.Marshal(doc) // Texts and numbers always can be encoded.
	policy := `<meta http-equiv="Content-Security-Policy" content="` + p.policy + `">`
	for _, part := range [][]byte{
		bytes.Replace(p.before, []byte("<!--policy-->"), []byte(policy), 1),
		[]byte(`<script type="application/json" id="data">`), data, []byte("</script>"), p.after,
	} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	}
	return nil
}
