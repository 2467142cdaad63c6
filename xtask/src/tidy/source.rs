//! One Rust file as the checks see it: its text, its functions, its imports, its test code.

use std::ops::RangeInclusive;

use proc_macro2::TokenStream;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, FnArg, Ident, ImplItemFn, ItemFn, ItemMod, ItemUse, Meta, Signature, TraitItemFn,
};
use syn::{Type, UseTree};

use crate::Result;

/// A parsed file.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) first_line: String,
    pub(crate) lines: usize,
    pub(crate) tokens: TokenStream,
    pub(crate) functions: Vec<Function>,
    /// Every glob import, as `a::b::*`.
    pub(crate) globs: Vec<String>,
    /// Every module it declares.
    pub(crate) modules: Vec<String>,
    /// The lines of its inline test modules.
    test_lines: Vec<RangeInclusive<usize>>,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) lines: usize,
    pub(crate) parameters: usize,
    pub(crate) bools: usize,
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self> {
        let broken = |error: &dyn std::fmt::Display| format!("{path}: {error}");
        let tokens = text.parse().map_err(|error: proc_macro2::LexError| broken(&error))?;
        let file = syn::parse_file(text).map_err(|error| broken(&error))?;
        let mut source = Self {
            path: path.to_owned(),
            first_line: text.lines().next().unwrap_or_default().to_owned(),
            lines: text.lines().count(),
            tokens,
            functions: Vec::new(),
            globs: Vec::new(),
            modules: Vec::new(),
            test_lines: Vec::new(),
        };
        source.visit_file(&file);
        Ok(source)
    }

    /// Whether the whole file is test code.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/').rev();
        parts.next() == Some("tests.rs") || parts.any(|folder| folder == "tests")
    }

    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_test() || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// How many lines are not in an inline test module.
    pub(crate) fn product_lines(&self) -> usize {
        (1..=self.lines).filter(|line| !self.test_lines.iter().any(|lines| lines.contains(line))).count()
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.functions.push(Function {
            name: signature.ident.to_string(),
            lines: last - first + 1,
            parameters: signature.inputs.len(),
            bools: signature.inputs.iter().filter(|input| is_bool(input)).count(),
        });
    }

    fn imports(&mut self, path: &str, tree: &UseTree) {
        let within = |ident: &Ident| format!("{path}{ident}::");
        match tree {
            UseTree::Path(step) => self.imports(&within(&step.ident), &step.tree),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.imports(path, item)),
            UseTree::Glob(_) => self.globs.push(format!("{path}*")),
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.modules.push(module.ident.to_string());
        if let Some((braces, _)) = &module.content
            && module.attrs.iter().any(is_cfg_test)
        {
            let first = module.mod_token.span.start().line;
            self.test_lines.push(first.saturating_sub(1)..=braces.span.close().end().line);
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        self.imports("", &import.tree);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn is_bool(input: &FnArg) -> bool {
    matches!(input, FnArg::Typed(typed) if matches!(&*typed.ty, Type::Path(path) if path.path.is_ident("bool")))
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn test_code_is_known_by_its_file_or_its_module() {
        let text = "//! A file.\nfn one() {}\n#[cfg(test)]\nmod tests {\n    fn two() {}\n}\nfn three() {}\n";
        let source = Source::parse("crates/a/src/lib.rs", text).unwrap();
        assert_eq!(source.product_lines(), 3);
        let told: Vec<_> = (1..=7).map(|line| source.is_test_line(line)).collect();
        assert_eq!(told, [false, false, true, true, true, true, false]);

        for path in ["tests/src/attacks.rs", "crates/a/tests/http.rs", "crates/a/src/plan/tests.rs"] {
            assert!(Source::parse(path, text).unwrap().is_test(), "{path}");
        }
    }

    #[test]
    fn a_module_for_another_cfg_is_no_test_code() {
        let text = "//! A file.\n#[cfg(not(test))]\nmod real {\n    fn two() {}\n}\n";
        assert_eq!(Source::parse("crates/a/src/lib.rs", text).unwrap().product_lines(), 5);
    }

    #[test]
    fn methods_and_trait_defaults_are_functions_too() {
        let text = "//! A file.\ntrait T { fn a(&self) {} fn b(&self); }\nstruct S;\nimpl S { fn c() {} }\nfn d() {\n fn e() {}\n}\n";
        let source = Source::parse("crates/a/src/lib.rs", text).unwrap();
        let names: Vec<_> = source.functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["a", "c", "d", "e"]);
    }
}
