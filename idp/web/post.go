package web

import (
	"bytes"
	"errors"
	"html/template"
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
		// Between double quotes these escapes are all that it takes, as html/template does it.
		buf.WriteString(`<input type="hidden" name="`)
		buf.WriteString(template.HTMLEscapeString(f.Name))
		buf.WriteString(`" value="`)
		buf.WriteString(template.HTMLEscapeString(f.Value))
		buf.WriteString(`">`)
	}
	buf.Write(parts.after)
	return nil
}

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
	if err := p.templates[page.file()].Execute(&b, page); err != nil {
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
