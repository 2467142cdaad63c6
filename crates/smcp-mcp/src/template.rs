//! Whether a URI could have come out of a URI template (RFC 6570), for a server whose resources are pinned.

/// Whether `uri` has the literal parts of `template`, in order, with its ends where the template's are. What stands in
/// the place of an expression may be any text, except that a simple one (`{name}`) has no `/`: RFC 6570, section 3.2.2,
/// would have escaped it. Linear in the length of both for each literal part; never more lenient than the template
/// about what is literal.
pub(crate) fn covers(template: &str, uri: &str) -> bool {
    let Some((head, mut rest_of_template)) = template.split_once('{') else {
        return template == uri;
    };
    let Some(mut rest_of_uri) = uri.strip_prefix(head) else {
        return false;
    };
    loop {
        let Some((expression, after)) = rest_of_template.split_once('}') else {
            return false;
        };
        let simple = expression.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
        let (literal, next) = match after.split_once('{') {
            Some((literal, next)) => (literal, Some(next)),
            None => (after, None),
        };
        // The first place where the literal fits leaves the most for what follows; the last one must fit the end.
        let place = match next {
            Some(_) => rest_of_uri.find(literal),
            None => rest_of_uri.strip_suffix(literal).map(str::len),
        };
        let Some(place) = place else {
            return false;
        };
        if simple && rest_of_uri[..place].contains('/') {
            return false;
        }
        rest_of_uri = &rest_of_uri[place + literal.len()..];
        match next {
            Some(next) => rest_of_template = next,
            None => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_parts_must_fit() {
        for (template, uri, fits) in [
            ("notes://all", "notes://all", true),
            ("notes://all", "notes://all/1", false),
            ("notes://{id}", "notes://7", true),
            ("notes://{id}", "notes://7/8", false),
            ("notes://{+path}", "notes://7/8", true),
            ("notes://{id}/text", "notes://7/text", true),
            ("notes://{id}/text", "notes://7/other", false),
            ("notes://{id}/text", "notes://7/8/text", false),
            ("notes://{a}/{b}", "notes://1/2", true),
            ("notes://{a}/{b}", "notes://1", false),
            ("notes://{id}{?q}", "notes://1?q=2", true),
            ("notes://{id}", "other://1", false),
            ("notes://{id", "notes://1", false),
            ("{+any}", "what:ever", true),
        ] {
            assert_eq!(covers(template, uri), fits, "{template} {uri}");
        }
    }
}
