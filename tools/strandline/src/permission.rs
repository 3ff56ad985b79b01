//! Who may read what the user may not, for the message that says so.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::exit;

/// What to say behind "permission denied", as far as the system tells: whose the file is, or the
/// directory on its path that may be looked at last, and as whom to try.
pub(crate) fn advice(path: &Path) -> String {
    let seen =
        |path: &Path| fs::metadata(if path == Path::new("") { Path::new(".") } else { path });
    let Some((at, metadata)) = path.ancestors().find_map(|at| Some((at, seen(at).ok()?))) else {
        return String::new();
    };
    let name = |file: &str, id: u32| {
        let names = fs::read_to_string(file).unwrap_or_default();
        name_of(&names, id).map_or_else(|| id.to_string(), str::to_owned)
    };
    let (user, group) = (name("/etc/passwd", metadata.uid()), name("/etc/group", metadata.gid()));
    let mode = metadata.mode() & 0o7777;
    let place = match at {
        at if at == path => String::new(),
        at if at == Path::new("") => "the working directory: ".to_owned(),
        at => format!("{}: ", exit::name_of(at)),
    };
    format!(" ({place}owner {user}:{group}, mode {mode:04o}); try: sudo -u {user} strandline …")
}

/// The name of a number in a file of lines `name:password:number:…`.
fn name_of(lines: &str, id: u32) -> Option<&str> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(id)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn numbers_have_the_names_that_the_system_gives_them() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nkafka:x:1001:1001::/:/bin/false\n";
        assert_eq!((name_of(passwd, 1001), name_of(passwd, 7)), (Some("kafka"), None));
    }

    #[test]
    fn the_advice_names_the_owner_and_the_mode() {
        let temp = tempfile::tempdir().unwrap();
        let mode = fs::Permissions::from_mode(0o750);
        fs::set_permissions(temp.path(), mode).unwrap();
        let advice = advice(temp.path());
        assert!(advice.contains("mode 0750); try: sudo -u "), "{advice}");
        let within = super::advice(&temp.path().join("not/there"));
        assert!(within.contains(&format!(" ({}: owner ", temp.path().display())), "{within}");
    }
}
