package metrics_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// query is what an expression of PromQL asks for.
type query struct {
	selectors []selector
	by        []string // labels that are grouped by or matched on
}

// selector is a metric with the conditions on its labels.
type selector struct {
	metric string
	where  []condition
}

type condition struct{ label, op, value string }

// parseQuery reads the part of PromQL that dashboards and rules use: selectors with ranges, functions, aggregations, operators.
func parseQuery(text string) (q query, err error) {
	p := &parser{query: &q}
	for rest := text; ; {
		rest = strings.TrimLeft(rest, " \n")
		if rest == "" {
			break
		}
		token := tokenForm.FindString(rest)
		if token == "" {
			return q, fmt.Errorf("what is %.20q in %s", rest, text)
		}
		p.tokens, rest = append(p.tokens, token), rest[len(token):]
	}
	defer func() {
		if broken, ok := recover().(syntax); ok {
			err = fmt.Errorf("%s in %s", string(broken), text)
		}
	}()
	p.expression()
	p.want("")
	return q, nil
}

var tokenForm = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw])?|\$?[A-Za-z_:][A-Za-z0-9_:]*|=~|!~|!=|==|>=|<=|[-+*/%^<>=(){}\[\],])`)

// syntax is a panic of the parser.
type syntax string

type parser struct {
	*query

	tokens []string
	at     int
}

func (p *parser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *parser) next() string {
	token := p.peek()
	p.at++
	return token
}

func (p *parser) take(tokens ...string) bool {
	if !slices.Contains(tokens, p.peek()) {
		return false
	}
	p.at++
	return true
}

func (p *parser) want(token string) {
	if got := p.next(); got != token {
		panic(syntax(fmt.Sprintf("%q instead of %q", got, token)))
	}
}

func (p *parser) expression() {
	p.operand()
	for p.take("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless") {
		p.take("bool")
		if p.take("on", "ignoring") {
			p.labels()
			if p.take("group_left", "group_right") && p.peek() == "(" {
				p.labels()
			}
		}
		p.operand()
	}
}

// functions and how many arguments each takes.
var functions = map[string]int{
	"rate": 1, "irate": 1, "increase": 1, "delta": 1, "deriv": 1, "absent": 1, "clamp_min": 2, "clamp_max": 2, "histogram_quantile": 2,
	"max_over_time": 1, "min_over_time": 1, "avg_over_time": 1, "time": 0,
}

// ranged are the functions that take a range.
var ranged = []string{"rate", "irate", "increase", "delta", "deriv", "max_over_time", "min_over_time", "avg_over_time"}

// aggregations and how many arguments each takes.
var aggregations = map[string]int{"sum": 1, "min": 1, "max": 1, "avg": 1, "count": 1, "topk": 2, "bottomk": 2}

func (p *parser) operand() {
	for p.take("-", "+") {
	}
	token := p.next()
	switch arguments, aggregates := aggregations[token]; {
	case token == "(":
		p.expression()
		p.want(")")
	case aggregates:
		grouped := p.grouping()
		p.arguments(token, arguments)
		if !grouped {
			p.grouping()
		}
	case p.peek() == "(":
		arguments, known := functions[token]
		if !known {
			panic(syntax("unknown function " + token))
		}
		p.arguments(token, arguments)
	case regexp.MustCompile(`^[0-9.]+$`).MatchString(token):
	case regexp.MustCompile(`^[a-z_:][A-Za-z0-9_:]*$`).MatchString(token):
		p.selector(token)
	default:
		panic(syntax(fmt.Sprintf("unexpected %q", token)))
	}
}

func (p *parser) grouping() bool {
	if !p.take("by", "without") {
		return false
	}
	p.labels()
	return true
}

func (p *parser) labels() {
	p.want("(")
	for !p.take(")") {
		p.by = append(p.by, p.next())
		if p.peek() != ")" {
			p.want(",")
		}
	}
}

func (p *parser) arguments(function string, n int) {
	p.want("(")
	for i := range n {
		if i > 0 {
			p.want(",")
		}
		p.expression()
	}
	if got := p.tokens[p.at-1] == "]"; got != slices.Contains(ranged, function) {
		panic(syntax(function + ": a range where none belongs, or none where one does"))
	}
	p.want(")")
}

func (p *parser) selector(metric string) {
	s := selector{metric: metric}
	if p.take("{") {
		for !p.take("}") {
			c := condition{label: p.next(), op: p.next()}
			quoted := p.next()
			if !slices.Contains([]string{"=", "!=", "=~", "!~"}, c.op) || !strings.HasPrefix(quoted, `"`) {
				panic(syntax("no condition on " + c.label))
			}
			c.value = strings.Trim(quoted, `"`)
			s.where = append(s.where, c)
			if p.peek() != "}" {
				p.want(",")
			}
		}
	}
	if p.take("[") {
		if over := p.next(); !regexp.MustCompile(`^([0-9]+[smhd]|\$__rate_interval|\$__range)$`).MatchString(over) {
			panic(syntax("no range: " + over))
		}
		p.want("]")
	}
	p.selectors = append(p.selectors, s)
}
