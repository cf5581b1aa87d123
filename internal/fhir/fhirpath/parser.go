package fhirpath

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// parser is a recursive descent through the tokens, with the precedence of FHIRPath: . [] before is as before | before = !=
// before and before or.
type parser struct {
	tokens []token
	depth  int
	defs   *definitions.Definitions
}

func parse(expr string, defs *definitions.Definitions) (node, error) {
	tokens, err := lex(expr)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens, defs: defs}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, p.fail("expression goes on with what is not part of the subset")
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[0] }

// next goes on to the next token; the end stays.
func (p *parser) next() {
	if p.peek().kind != end {
		p.tokens = p.tokens[1:]
	}
}

// take takes the token if it is that symbol or keyword.
func (p *parser) take(value string) bool {
	if p.peek().is(value) {
		p.next()
		return true
	}
	return false
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: p.peek().offset, Reason: fmt.Sprintf(format, args...)}
}

func (p *parser) expect(value string) error {
	if !p.take(value) {
		return p.fail("%q expected", value)
	}
	return nil
}

func (p *parser) or() (node, error) { return p.binary(p.and, "or") }

func (p *parser) and() (node, error) { return p.binary(p.equality, "and") }

func (p *parser) equality() (node, error) { return p.binary(p.union, "=", "!=") }

func (p *parser) union() (node, error) { return p.binary(p.typed, "|") }

// binary reads operands that are joined by operators of one precedence, from left to right.
func (p *parser) binary(operand func() (node, error), operators ...string) (node, error) {
	left, err := operand()
	for err == nil {
		t := p.peek()
		operator := ""
		for _, o := range operators {
			if p.take(o) {
				operator = o
			}
		}
		if operator == "" {
			return left, nil
		}
		var right node
		if right, err = operand(); err == nil {
			left = newBinary(operator, left, right, t.offset)
		}
	}
	return nil, err
}

func newBinary(operator string, left, right node, offset int) node {
	switch operator {
	case "|":
		return union{left, right}
	case "=", "!=":
		return equality{left: left, right: right, negated: operator == "!=", offset: offset}
	}
	return logic{left: left, right: right, or: operator == "or"}
}

// typed reads "x is T" and "x as T".
func (p *parser) typed() (node, error) {
	n, err := p.postfix()
	for err == nil {
		offset := p.peek().offset
		is := p.take("is")
		if !is && !p.take("as") {
			return n, nil
		}
		var name string
		if name, err = p.typeName(); err != nil {
			return nil, err
		}
		n = newTyped(n, name, is, offset)
	}
	return nil, err
}

func newTyped(input node, name string, is bool, offset int) node {
	if is {
		return isType{input: input, name: name, offset: offset}
	}
	return ofType{input: input, name: name, offset: offset}
}

// typeName reads Name or FHIR.Name.
func (p *parser) typeName() (string, error) {
	t := p.peek()
	if t.kind != identifier {
		return "", p.fail("type expected")
	}
	p.next()
	if t.value == "FHIR" && p.take(".") {
		if t = p.peek(); t.kind != identifier {
			return "", p.fail("type expected")
		}
		p.next()
	}
	for _, name := range []string{t.value, strings.ToLower(t.value[:1]) + t.value[1:]} {
		if _, ok := p.defs.Type(name); ok {
			return name, nil
		}
	}
	return "", &SyntaxError{Offset: t.offset, Reason: fmt.Sprintf("%q is no type", t.value)}
}

// postfix reads a term and the members, functions and indexes that follow it.
func (p *parser) postfix() (node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.fail("nested more than %d times", maxDepth)
	}
	n, err := p.term()
	for err == nil {
		switch {
		case p.take("."):
			n, err = p.invocation(n)
		case p.take("["):
			n, err = p.index(n)
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) index(input node) (node, error) {
	t := p.peek()
	i, err := strconv.Atoi(t.value)
	if t.kind != number || err != nil {
		return nil, p.fail("index expected")
	}
	p.next()
	return item{input: input, index: i}, p.expect("]")
}

func (p *parser) term() (node, error) {
	t := p.peek()
	switch {
	case t.kind == text:
		p.next()
		return literalText(t.value), nil
	case t.kind == number:
		p.next()
		return literalNumber(t.value), nil
	case t.is("true"), t.is("false"):
		p.next()
		return literal{Value{JSON: []byte(t.value), Type: "boolean"}}, nil
	case t.is("$this"):
		p.next()
		return this{}, nil
	case t.is("%resource"):
		p.next()
		return wholeResource{}, nil
	case p.take("("):
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case t.kind == identifier && isUpper(t.value) && !p.tokens[1].is("("):
		p.next()
		if _, ok := p.defs.Type(t.value); !ok {
			return nil, &SyntaxError{Offset: t.offset, Reason: fmt.Sprintf("%q is no type", t.value)}
		}
		return typeRoot{name: t.value, offset: t.offset}, nil
	}
	return p.invocation(this{})
}

func isUpper(s string) bool { return 'A' <= s[0] && s[0] <= 'Z' }

// invocation reads a member or a function of the input.
func (p *parser) invocation(input node) (node, error) {
	t := p.peek()
	if t.kind != identifier {
		return nil, p.fail("element or function expected")
	}
	p.next()
	if !p.take("(") {
		return member{input: input, name: t.value, offset: t.offset}, nil
	}
	return p.function(input, t)
}

// function reads the arguments of a function, its name and parenthesis being read.
func (p *parser) function(input node, name token) (node, error) {
	switch name.value {
	case "where":
		criteria, err := p.or()
		if err != nil {
			return nil, err
		}
		return where{input, criteria}, p.expect(")")
	case "exists":
		if p.take(")") {
			return exists{input}, nil
		}
		criteria, err := p.or()
		if err != nil {
			return nil, err
		}
		return exists{where{input, criteria}}, p.expect(")")
	case "first":
		return item{input: input}, p.expect(")")
	case "as", "ofType", "is":
		typeName, err := p.typeName()
		if err != nil {
			return nil, err
		}
		return newTyped(input, typeName, name.value == "is", name.offset), p.expect(")")
	case "extension", "hasExtension":
		return p.extension(input, name)
	case "resolve":
		return p.resolve(input, name.offset)
	}
	return nil, &SyntaxError{Offset: name.offset, Reason: fmt.Sprintf("function %s is not part of the subset", name.value)}
}

func (p *parser) extension(input node, name token) (node, error) {
	url := p.peek()
	if url.kind != text {
		return nil, p.fail("URL expected")
	}
	p.next()
	var n node = extension{member: member{input: input, name: "extension", offset: name.offset}, url: url.value}
	if name.value == "hasExtension" {
		n = exists{n}
	}
	return n, p.expect(")")
}

// resolve reads the rest of "resolve() is T" or "resolve().is(T)"; nothing else can be done with a resource that is not
// fetched.
func (p *parser) resolve(input node, offset int) (node, error) {
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	function := p.take(".")
	if err := p.expect("is"); err != nil {
		return nil, err
	}
	if function {
		if err := p.expect("("); err != nil {
			return nil, err
		}
	}
	name, err := p.typeName()
	if err != nil {
		return nil, err
	}
	if function {
		err = p.expect(")")
	}
	return refersTo{input: input, name: name, offset: offset}, err
}
