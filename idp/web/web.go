// Package web holds the pages that people see: templates, styles and scripts, embedded.
package web
