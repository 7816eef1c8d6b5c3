//! Rating plates, read back by a decoder that others made, from what they print as.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::{Site, lines};

#[test]
fn a_scanner_reads_both_codes_of_an_svg_plate() {
    let site = Site::new();
    let made = site.run(&[
        "label",
        "make",
        "3012-123456",
        "ABCDEFGH-123456789012",
        "--check-digit",
        "mod-37-2",
        "--out",
        &site.file("labels"),
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = lines(&made);
    assert_eq!(made.len(), 2);
    for label in made {
        let file = PathBuf::from(label["file"].as_str().unwrap());
        let number = label["deviceNumber"].as_str().unwrap();
        let text = label["text"].as_str().unwrap();
        assert_eq!(text.strip_suffix(|_: char| true), Some(number), "a check character follows the number");
        let svg = fs::read_to_string(&file).unwrap();
        let (product, serial) = number.split_once('-').unwrap();
        for readable in [product, serial, text] {
            assert!(svg.contains(&format!(">{readable}</text>")), "{readable} on {svg}");
        }
        assert_eq!(decoded(&rasterised_svg(&file)), both_codes(text));
    }
}

#[test]
fn a_list_becomes_a_pdf_with_a_page_each() {
    let site = Site::new();
    fs::write(site.path("list"), "3012-123456\r\n\n  A123-654321\n").unwrap();
    let pdf = site.file("labels.pdf");
    let make = ["label", "make", "--list", &site.file("list"), "--check-digit", "none", "--format", "pdf"];
    let made = site.run(&[&make[..], &["--out", &pdf]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(lines(&made).len(), 2);

    let pages = site.file("page");
    ran(Command::new("pdftoppm").args(["-r", "300", "-png", &pdf, &pages]));
    for (page, text) in [(1, "3012-123456"), (2, "A123-654321")] {
        assert_eq!(decoded(Path::new(&format!("{pages}-{page}.png"))), both_codes(text));
    }
    let words = ran(Command::new("pdftotext").args([&pdf, "-"]));
    assert!(words.contains("3012-123456") && words.contains("A123-654321"), "{words}");

    fs::write(site.path("list"), "3012-123456\n3012/123457\n").unwrap();
    let refused = site.run(&[&make[..], &["--out", &pdf]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2"), "it says which line is wrong");
}

#[test]
fn cards_say_what_a_station_understands() {
    let site = Site::new();
    let made = lines(&site.run(&["label", "cards", "--out", &site.file("cards")]));
    let texts: Vec<_> = made.iter().map(|card| card["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["C-SCRAP", "C-CANCEL", "C-SIGN-OFF"]);
    for card in &made {
        let file = PathBuf::from(card["file"].as_str().unwrap());
        assert_eq!(decoded(&rasterised_svg(&file)), both_codes(card["text"].as_str().unwrap()));
    }
}

#[test]
fn the_plan_says_which_plates_are_needed() {
    let (site, _authority, _gateway) = Site::with_stock(3);
    site.json(&[
        "authority",
        "product",
        "set",
        "3012",
        "--organization",
        "Example",
        "--check-digit",
        "mod-37-2",
    ]);
    site.json(&["gateway", "replenish"]);
    let plan = |product: &str| {
        let out = site.file("labels");
        let config = site.file("gateway.toml");
        let arguments = ["label", "make", "--plan", "--product", product, "--config", &config, "--out", &out];
        lines(&site.run(&arguments))
    };
    site.wait_until("the gateway to know the check character", || {
        plan("3012").iter().all(|label| label["text"].as_str().unwrap().len() == "3012-123456X".len())
    });
    let numbers: Vec<_> = plan("3012").iter().map(|label| label["deviceNumber"].clone()).collect();
    assert_eq!(numbers, ["3012-123456", "3012-123457", "3012-123458"]);
    assert_eq!(plan("3013").len(), 0);
}

/// As a label printer with 300 dots an inch prints it.
fn rasterised_svg(file: &Path) -> PathBuf {
    let png = file.with_extension("png");
    ran(Command::new("rsvg-convert").args(["--dpi-x", "300", "--dpi-y", "300", "-o"]).arg(&png).arg(file));
    png
}

/// What zbar reads, each line with its symbology.
fn decoded(png: &Path) -> Vec<String> {
    let mut read: Vec<String> =
        ran(Command::new("zbarimg").arg("-q").arg(png)).lines().map(str::to_owned).collect();
    read.sort();
    read
}

fn both_codes(text: &str) -> Vec<String> {
    vec![format!("CODE-128:{text}"), format!("QR-Code:{text}")]
}

fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("./check installs {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
