//! Keys and values that backends get wrong.

use concurrency_core::Bytes;

/// Keys that differ, though something that folds, trims, cuts or matches patterns takes some of them for the same.
pub(crate) fn hard_keys() -> Vec<String> {
    let keys = [
        // Case, accents, normal form, look-alikes.
        "key",
        "Key",
        "KEY",
        "é",
        "e",
        "e\u{301}",
        "É",
        "ß",
        "ss",
        "ﬁ",
        "fi",
        "I",
        "i",
        "ı",
        "İ",
        "a",
        "а",
        // Blanks and what cannot be seen.
        " ",
        "key ",
        " key",
        "key\t",
        "key\n",
        "key\r\n",
        "key\u{a0}",
        "ke\u{200d}y",
        "\u{feff}key",
        // NUL and other controls.
        "\0",
        "\0\0",
        "key\0",
        "key\0a",
        "key\0b",
        "\u{1}",
        "\u{7f}",
        "\u{1b}[31m",
        // Patterns, quotes, separators of many kinds.
        "%",
        "%%",
        "k%",
        "k_y",
        "k*",
        "k?y",
        "[k]ey",
        "k\\%",
        "\\",
        "'",
        "''",
        "\"",
        "`",
        ";--",
        "{key}",
        "{}key",
        "}{",
        "k:ey",
        "k/ey",
        "k.ey",
        "$key",
        "$where",
        "#key",
        "&",
        "|",
        "<key>",
        "-key",
        "@key",
        // What a reader could take for something else than text.
        "0",
        "00",
        "1",
        "1.0",
        "-1",
        "1e0",
        "null",
        "NULL",
        "true",
        "undefined",
        // Outside the basic plane.
        "😀",
        "😁",
        "👩\u{200d}👩",
        "👩",
        "\u{10ffff}",
        "中",
        "ключ",
    ];
    let long =
        ["x".repeat(1023), "x".repeat(1024), "X".repeat(1024), format!("{}y", "x".repeat(1023)), "é".repeat(512)];
    let blank_end = format!("{} ", "x".repeat(1023));
    keys.into_iter().map(str::to_owned).chain(long).chain([blank_end]).collect()
}

/// Keys that no method takes.
pub(crate) fn bad_keys() -> [String; 4] {
    [String::new(), "x".repeat(1025), "é".repeat(513), "x".repeat(70_000)]
}

/// Values that are not text, or look like something else.
pub(crate) fn hard_values(rng: &mut fastrand::Rng) -> Vec<Bytes> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut values: Vec<Bytes> =
        [&every_byte[..], b"\0", b"\0\0\0", b"\xff\xfe", b"\xc3\x28", b"null", b"\"quoted\"", b" ", b"\r\n"]
            .into_iter()
            .map(Bytes::copy_from_slice)
            .collect();
    for size in [1, 2, 63, 64, 65, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 100_000] {
        values.push((0..size).map(|_| rng.u8(..)).collect());
    }
    values
}
