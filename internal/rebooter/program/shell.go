package program

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// errNegated tells what to write instead of a negation.
var errNegated = fmt.Errorf(`%w: "!" makes a success of a program that is missing or fails; run the program without a shell and `+
	`swap the exit codes, as in --sentinel-exit-codes=0=NotRequired,1=Required`, ErrAmbiguous)

// shell looks at the arguments of a shell.
func (i *inspection) shell(name string, arguments []word, root string) error {
	for len(arguments) > 0 {
		option := arguments[0]
		if !option.known {
			return fmt.Errorf("%w: an argument of %s is known only when it runs", ErrAmbiguous, name)
		}
		arguments = arguments[1:]
		letters := optionLetters(option.text)
		switch {
		case slices.Contains([]string{"--norc", "--noprofile", "--posix"}, option.text):
		case strings.HasPrefix(option.text, "--") || strings.ContainsAny(letters, "ilrsDTO"):
			return fmt.Errorf("%w: the option %s of %s is not known here", ErrAmbiguous, option.text, name)
		case strings.Contains(letters, "c"):
			return i.commandString(name, arguments, root)
		case strings.HasSuffix(letters, "o"): // -o pipefail
			arguments = arguments[min(1, len(arguments)):]
		case letters == "":
			return i.scriptFile(name, option.text, root)
		}
	}
	return fmt.Errorf("%w: %s reads what it runs from its input", ErrAmbiguous, name)
}

func (i *inspection) commandString(shell string, arguments []word, root string) error {
	if len(arguments) == 0 || !arguments[0].known {
		return fmt.Errorf("%w: what %s -c runs is known only when it runs", ErrAmbiguous, shell)
	}
	return i.commands(shell, arguments[0].text, root)
}

func optionLetters(argument string) string {
	if len(argument) > 1 && (argument[0] == '-' || argument[0] == '+') {
		return argument[1:]
	}
	return ""
}

func (i *inspection) scriptFile(shell, name, root string) error {
	path, err := i.host.Find(name, root)
	if err != nil {
		return err
	}
	content, err := i.host.Read(path, root)
	if err != nil {
		return err
	}
	return i.script(path, shell, content, root)
}

// commands looks at every command of a script.
func (i *inspection) commands(shell, text, root string) error {
	language := syntax.LangBash // which knows what the other ones know
	if shell == "ksh" || shell == "mksh" {
		language = syntax.LangMirBSDKorn
	}
	script, err := syntax.NewParser(syntax.Variant(language)).Parse(strings.NewReader(text), "")
	if err != nil {
		return fmt.Errorf("%w: what %s runs was not understood: %w", ErrAmbiguous, shell, err)
	}
	var functions []string
	syntax.Walk(script, func(node syntax.Node) bool {
		if function, ok := node.(*syntax.FuncDecl); ok && function.Name != nil {
			functions = append(functions, function.Name.Value)
		}
		return true
	})
	var faults []error
	syntax.Walk(script, func(node syntax.Node) bool {
		faults = append(faults, i.node(shell, node, functions, root))
		return true
	})
	return firstFault(faults)
}

// firstFault prefers what is wrong on every host.
func firstFault(faults []error) error {
	for _, fault := range faults {
		if errors.Is(fault, ErrAmbiguous) {
			return fault
		}
	}
	return errors.Join(faults...)
}

func (i *inspection) node(shell string, node syntax.Node, functions []string, root string) error {
	switch node := node.(type) {
	case *syntax.Stmt:
		if node.Negated {
			return errNegated
		}
	case *syntax.Assign:
		if node.Name != nil && node.Name.Value == "PATH" && !node.Naked {
			return errPath(shell)
		}
	case *syntax.CallExpr:
		if len(node.Args) == 0 {
			return nil
		}
		words := make([]word, 0, len(node.Args))
		for _, argument := range node.Args {
			words = append(words, literal(argument.Parts))
		}
		if words[0].known && slices.Contains(functions, words[0].text) {
			return nil
		}
		return i.call(shell, words, root)
	}
	return nil
}

// call looks at a command of a shell, which may be one that the shell carries out itself.
func (i *inspection) call(shell string, argv []word, root string) error {
	if !argv[0].known {
		return i.command(argv, root)
	}
	switch name := argv[0].text; name {
	case "eval", "source", ".", "alias":
		return fmt.Errorf("%w: what %q runs is known only when it runs", ErrAmbiguous, name)
	case "trap":
		return i.trap(shell, argv[1:], root)
	case "exec", "command", "builtin":
		return i.prefixed(shell, argv[1:], root)
	case "unset":
		if slices.ContainsFunc(argv[1:], isPath) {
			return errPath(shell)
		}
	}
	if slices.Contains(builtins, argv[0].text) {
		return nil
	}
	return i.command(argv, root)
}

// prefixed looks at the command after exec or command.
func (i *inspection) prefixed(shell string, argv []word, root string) error {
	if len(argv) > 0 && argv[0].known && argv[0].text == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return nil // exec 2>file
	}
	if argv[0].known && (argv[0].text == "-v" || argv[0].text == "-V") {
		return nil // asks where a program is, and runs none
	}
	if argv[0].known && strings.HasPrefix(argv[0].text, "-") {
		return fmt.Errorf("%w: the option %s is not known here", ErrAmbiguous, argv[0].text)
	}
	return i.call(shell, argv, root)
}

// trap looks at what a shell runs later.
func (i *inspection) trap(shell string, argv []word, root string) error {
	if len(argv) > 0 && argv[0].text == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 || argv[0].text == "-" || argv[0].text == "" && argv[0].known {
		return nil
	}
	if !argv[0].known {
		return fmt.Errorf("%w: what \"trap\" runs is known only when it runs", ErrAmbiguous)
	}
	return i.commands(shell, argv[0].text, root)
}

// literal is the text of a word, if that does not depend on anything.
func literal(parts []syntax.WordPart) word {
	var text strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			if strings.ContainsAny(part.Value, "*?~") {
				return word{}
			}
			text.WriteString(strings.ReplaceAll(part.Value, `\`, ""))
		case *syntax.SglQuoted:
			if part.Dollar {
				return word{}
			}
			text.WriteString(part.Value)
		case *syntax.DblQuoted:
			inner := literal(part.Parts)
			if !inner.known || part.Dollar {
				return word{}
			}
			text.WriteString(inner.text)
		default:
			return word{}
		}
	}
	return word{text.String(), true}
}

// builtins are the commands that shells carry out themselves.
var builtins = []string{
	":", "[", "[[", "bg", "break", "case", "cd", "continue", "declare", "dirs", "disown", "echo", "exit", "export", "false", "fc", "fg",
	"getopts",
	"hash", "help", "jobs", "kill", "let", "local", "mapfile", "popd", "print", "printf", "pushd", "pwd", "read", "readarray", "readonly",
	"return",
	"set", "shift", "shopt", "test", "times", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset", "wait",
}
