package web

import (
	"bytes"
	"errors"
	"html/template"
	"strings"
	"sync"
)

// fieldsHere is where post.html leaves room for the fields. What comes from a page is escaped and
// cannot hold it.
const fieldsHere = `<input type="hidden" name="fields">`

// maxPosts bounds the cache; there are as many post pages as applications and addresses of theirs.
const maxPosts = 256

// A launch is counted in microseconds, most of them for the signature. All of a post page but its
// fields is the same for everybody, so it is rendered once for each application.
type postCache struct {
	mu    sync.RWMutex
	pages map[postKey]postParts
}

// postKey is all that post.html gets to see: nothing of one person can reach another's page.
type postKey struct {
	title, logo, help, helpURL, app, action string
	compact                                 bool
}

type postParts struct{ before, after []byte }

func (p *Pages) fillPost(buf *bytes.Buffer, page Post) error {
	parts, err := p.postParts(postKey{page.Title, page.Logo, page.Help, page.HelpURL, page.App, page.Action, page.Compact})
	if err != nil {
		return err
	}
	buf.Write(parts.before)
	for i, f := range page.Fields {
		if i > 0 {
			buf.WriteByte('\n')
		}
		buf.WriteString(`<input type="hidden" name="`)
		buf.WriteString(quoted(f.Name))
		buf.WriteString(`" value="`)
		buf.WriteString(quoted(f.Value))
		buf.WriteString(`">`)
	}
	buf.Write(parts.after)
	return nil
}

// quoted escapes what stands between double quotes. The response is base64 and needs no escape; six
// searches for one byte each find that out ten times faster than one search for six.
func quoted(s string) string {
	for i := range len(special) {
		if strings.IndexByte(s, special[i]) >= 0 {
			return template.HTMLEscapeString(s)
		}
	}
	return s
}

// special are the characters that template.HTMLEscapeString escapes.
const special = "\"'&<>\x00"

func (p *Pages) postParts(k postKey) (postParts, error) {
	p.posts.mu.RLock()
	parts, ok := p.posts.pages[k]
	p.posts.mu.RUnlock()
	if ok {
		return parts, nil
	}
	page := Post{App: k.app, Action: k.action}
	page.Frame = Frame{Title: k.title, Logo: k.logo, Help: k.help, HelpURL: k.helpURL, Compact: k.compact}
	var b bytes.Buffer
	if err := p.execute(&b, page); err != nil {
		return postParts{}, err
	}
	before, after, ok := bytes.Cut(b.Bytes(), []byte(fieldsHere))
	if !ok {
		return postParts{}, errors.New("the template has no place for the fields")
	}
	parts = postParts{before, after}
	p.posts.mu.Lock()
	defer p.posts.mu.Unlock()
	if p.posts.pages == nil {
		p.posts.pages = make(map[postKey]postParts)
	}
	if len(p.posts.pages) < maxPosts {
		p.posts.pages[k] = parts
	}
	return parts, nil
}
