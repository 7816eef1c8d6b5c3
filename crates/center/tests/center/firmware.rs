//! Which packages a center takes: those that a known maker has signed for its product, and no others.

use std::fs;
use std::path::PathBuf;

use center::{CenterError, FileError, Files};
use identity::ProductCode;
use identity::profile::KeyAlgorithm;
use package::{ImageDigest, MakerKey, Manifest, PackageError};
use pki::SigningKey;
use store::center::firmware::Firmware;
use store::testing::on_both;

use crate::plant::{Plant, person};

/// A maker of firmware.
pub struct Maker {
    key: SigningKey,
}

impl Maker {
    pub fn new() -> Self {
        Self { key: SigningKey::generate(KeyAlgorithm::P256).unwrap() }
    }

    /// A maker whose firmware for 3012 the center takes.
    pub async fn known(plant: &Plant) -> Self {
        let maker = Self::new();
        let product = "3012".parse().unwrap();
        assert!(plant.desk().add_maker_key(product, &maker.public(), &person()).await.unwrap());
        maker
    }

    pub fn public(&self) -> MakerKey {
        MakerKey::from_point(self.key.public_point()).unwrap()
    }

    /// A signed package of this image.
    pub fn package(&self, product: &str, version: &str, security: u32, image: &[u8]) -> Vec<u8> {
        let mut digest = ImageDigest::new();
        digest.update(image);
        let manifest = Manifest {
            product: product.parse().unwrap(),
            version: version.parse().unwrap(),
            security,
            length: image.len() as u64,
            sha256: digest.finish(),
        };
        let name = self.public().name();
        let signature = self.key.sign(&manifest.to_be_signed(name)).unwrap();
        [&manifest.head(name, &signature).unwrap()[..], image].concat()
    }

    /// Adds a package of 3012 whose image is this version's text.
    pub async fn add(&self, plant: &Plant, version: &str) -> Firmware {
        add(plant, &self.package("3012", version, 0, version.as_bytes())).await.unwrap()
    }
}

pub async fn add(plant: &Plant, package: &[u8]) -> Result<Firmware, CenterError> {
    let path = plant.files().join("package to add");
    fs::write(&path, package).unwrap();
    let added = plant.desk().add_firmware(&Files::new(plant.files()), path.clone(), &person()).await;
    fs::remove_file(path).unwrap();
    added
}

/// The packages that lie in the directory.
fn packages(plant: &Plant) -> Vec<PathBuf> {
    let entries = fs::read_dir(plant.files()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "package")).collect()
}

#[tokio::test]
async fn only_what_a_known_maker_signed_for_the_product_is_taken() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let (maker, stranger) = (Maker::known(&plant).await, Maker::new());
        let good = maker.package("3012", "1.2.0", 0, b"an image");
        let image_at = good.len() - 8;
        let changed = |at: usize| {
            let mut bad = good.clone();
            bad[at] ^= 1;
            bad
        };
        let bad = [
            ("empty", Vec::new()),
            ("cut", good[..good.len() - 1].to_vec()),
            ("longer", [&good[..], b"!"].concat()),
            ("no image", good[..image_at].to_vec()),
            ("other image", changed(image_at)),
            ("other image at its end", changed(good.len() - 1)),
            ("other signature", changed(image_at - 1)),
            ("other hash", changed(image_at - 70)),
            ("other product", maker.package("3013", "1.2.0", 0, b"an image")),
            ("other maker", stranger.package("3012", "1.2.0", 0, b"an image")),
        ];
        for (what, package) in bad {
            let added = add(&plant, &package).await;
            assert!(matches!(added, Err(CenterError::File(FileError::Package(_)))), "{what}: {added:?}");
        }
        assert_eq!(plant.desk().firmware().await.unwrap(), []);
        assert_eq!(packages(&plant), Vec::<PathBuf>::new());
        let left: Vec<_> =
            fs::read_dir(plant.files()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"], "what is not taken leaves nothing");

        let added = add(&plant, &good).await.unwrap();
        assert_eq!((added.product.as_str(), added.version.to_string().as_str()), ("3012", "1.2.0"));
        assert_eq!(added.length, good.len() as u64);
        assert_eq!(fs::read(&packages(&plant)[0]).unwrap(), good);
        // The same package again is the same; another of the same version is none.
        assert_eq!(add(&plant, &good).await.unwrap(), added);
        let other = add(&plant, &maker.package("3012", "1.2.0", 0, b"another")).await;
        assert!(matches!(other, Err(CenterError::Conflict(_))), "{other:?}");
        assert_eq!((plant.desk().firmware().await.unwrap(), packages(&plant).len()), (vec![added], 1));
    })
    .await;
}

#[tokio::test]
async fn a_key_that_was_removed_signs_nothing_more() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let maker = Maker::known(&plant).await;
        let first = maker.add(&plant, "1.0.0").await;
        let (product, name): (ProductCode, _) = ("3012".parse().unwrap(), maker.public().name().to_string());
        assert!(!plant.desk().add_maker_key(product.clone(), &maker.public(), &person()).await.unwrap());
        plant.desk().remove_maker_key(product.clone(), name.clone(), &person()).await.unwrap();
        let again = plant.desk().remove_maker_key(product, name, &person()).await;
        assert!(matches!(again, Err(CenterError::Unknown(_))), "{again:?}");
        let second = add(&plant, &maker.package("3012", "1.1.0", 0, b"image")).await;
        let is_refused =
            matches!(second, Err(CenterError::File(FileError::Package(PackageError::OtherKey(_)))));
        assert!(is_refused, "{second:?}");

        let files = Files::new(plant.files());
        plant.desk().remove_firmware(&files, &first.name, &person()).await.unwrap();
        assert_eq!((plant.desk().firmware().await.unwrap(), packages(&plant).len()), (vec![], 0));
        let again = plant.desk().remove_firmware(&files, &first.name, &person()).await;
        assert!(matches!(again, Err(CenterError::Unknown(_))), "{again:?}");
    })
    .await;
}
