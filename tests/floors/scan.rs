//! A file of the crate, read as tokens: which paths it names, how long its
//! functions are, what of it is for tests only. Judges nothing.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

#[derive(Default, Debug)]
pub(crate) struct Scan {
    /// Line and segments of each path.
    pub(crate) paths: Vec<(usize, Vec<String>)>,
    /// Name, line and length of each function.
    pub(crate) functions: Vec<(String, usize, usize)>,
    /// Modules that are files and compiled for tests only.
    pub(crate) test_modules: Vec<String>,
    /// Lines taken by what is compiled for tests only.
    pub(crate) test_lines: usize,
}

impl Scan {
    pub(crate) fn of(path: &str, text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut scan = Self::default();
        let module: Vec<_> = path.split('/').map(str::to_owned).collect();
        scan.read(tokens, &module);
        scan
    }

    fn read(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at..];
            at += match token {
                TokenTree::Punct(_) if for_tests_only(rest) => self.skip(rest, module),
                TokenTree::Ident(word) if word == "use" => self.import(&rest[1..], &[], module) + 1,
                TokenTree::Ident(word) if word == "fn" => self.function(rest),
                TokenTree::Ident(word) if word == "mod" => self.module(rest, module),
                TokenTree::Ident(_) => self.path(rest, module),
                TokenTree::Group(group) => {
                    self.read(group.stream(), module);
                    1
                }
                _ => 1,
            };
        }
    }

    /// Passes over one item with its attributes.
    fn skip(&mut self, tokens: &[TokenTree], module: &[String]) -> usize {
        let end = 1 + tokens.iter().position(ends_item).unwrap_or(tokens.len() - 1);
        let item = &tokens[..end];
        let mut words = item.iter().map(ToString::to_string);
        if words.any(|word| word == "mod") && !matches!(item.last(), Some(TokenTree::Group(_))) {
            let name = words.next().unwrap();
            self.test_modules.push([module, &[name]].concat().join("/"));
        }
        self.test_lines += 1 + last_line(&item[end - 1]) - line(&item[0]);
        end
    }

    /// One tree of a `use`, up to the comma or semicolon that ends it.
    fn import(&mut self, tokens: &[TokenTree], above: &[String], module: &[String]) -> usize {
        let mut path = above.to_vec();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    let mut from = 0;
                    while from < inner.len() {
                        from += self.import(&inner[from..], &path, module);
                    }
                    // Its branches are recorded, each with the whole path.
                    path.clear();
                }
                TokenTree::Punct(mark) if matches!(mark.as_char(), ',' | ';') => {
                    self.record(line(&tokens[0]), path, module);
                    return at + 1;
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                _ => {}
            }
        }
        if let Some(first) = tokens.first() {
            self.record(line(first), path, module);
        }
        tokens.len()
    }

    /// A path in an expression, a type or an attribute.
    fn path(&mut self, tokens: &[TokenTree], module: &[String]) -> usize {
        let mut path = vec![tokens[0].to_string()];
        let mut at = 1;
        while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(word), ..] =
            &tokens[at..]
            && (a.as_char(), b.as_char()) == (':', ':')
        {
            path.push(word.to_string());
            at += 3;
        }
        if at > 1 {
            self.record(line(&tokens[0]), path, module);
        }
        at
    }

    /// Makes the path absolute: `crate` first, or the name of an outside crate.
    fn record(&mut self, line: usize, mut path: Vec<String>, module: &[String]) {
        let mut home = module.to_vec();
        let relative = path.iter().take_while(|w| *w == "super" || *w == "self").count();
        for word in path.drain(..relative) {
            if word == "super" {
                home.pop();
            }
        }
        if relative > 0 {
            path.splice(..0, std::iter::once("crate".to_owned()).chain(home));
        }
        if let Some(first) = path.first_mut()
            && first == "assumed"
        {
            "crate".clone_into(first);
        }
        if !path.is_empty() {
            self.paths.push((line, path));
        }
    }

    fn function(&mut self, tokens: &[TokenTree]) -> usize {
        let body = tokens.iter().find(|t| ends_item(t));
        if let (Some(TokenTree::Ident(name)), Some(body)) = (tokens.get(1), body) {
            let first = line(&tokens[0]);
            let length = 1 + last_line(body) - first;
            self.functions.push((name.to_string(), first, length));
        }
        1
    }

    fn module(&mut self, tokens: &[TokenTree], module: &[String]) -> usize {
        if let [_, TokenTree::Ident(name), TokenTree::Group(body), ..] = tokens {
            self.read(body.stream(), &[module, &[name.to_string()]].concat());
            return 3;
        }
        1
    }
}

fn for_tests_only(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(mark), TokenTree::Group(group), ..] = tokens else {
        return false;
    };
    let text = group.stream().to_string().replace(' ', "");
    mark.as_char() == '#'
        && (text == "cfg(test)"
            || text == "cfg(any(test,fuzzing))"
            || text.starts_with("cfg(all(test,"))
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    }
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

fn last_line(token: &TokenTree) -> usize {
    token.span().end().line
}
