//! Importing product lists and plans.

use gateway::plan::{Change, ImportError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::testing::{TestDatabase, on_both};

use crate::plant::{Factory, person};

const PRODUCTS: &str = include_str!("../../../../examples/products.csv");
const PLAN: &str = include_str!("../../../../examples/plan.csv");

#[tokio::test]
async fn a_dry_run_shows_what_the_import_then_changes() {
    on_both(async |database| {
        let factory = Factory::new(database).await;
        let desk = factory.gateway().desk();
        let before = desk.plan().await.unwrap();
        assert_eq!(before.len(), 40);
        assert!(desk.import(PLAN.as_bytes(), 2003, true, &person()).await.unwrap().is_empty(), "nothing new");

        let file = "DEVICE CODE,2003-03-17,3/28\n3012,1001,7\n3013,500,0\n3014,560,0\nA123,2120,0\n";
        let announced = desk.import(file.as_bytes(), 1999, true, &person()).await.unwrap();
        assert_eq!(desk.plan().await.unwrap(), before, "a dry run changes nothing");
        let units = |day: &str, product: &str, before, after| Change::Units {
            day: day.into(),
            product: product.parse().unwrap(),
            before,
            after,
        };
        assert_eq!(
            announced,
            [
                units("2003-03-17", "3012", Some(1000), Some(1001)),
                units("2003-03-17", "A125", Some(2000), None),
                units("2003-03-28", "3012", None, Some(7)),
                units("2003-03-28", "3013", None, Some(0)),
                units("2003-03-28", "3014", None, Some(0)),
                units("2003-03-28", "A123", None, Some(0)),
            ]
        );
        assert_eq!(desk.import(file.as_bytes(), 1999, false, &person()).await.unwrap(), announced);
        assert_eq!(desk.plan().await.unwrap().len(), 40 - 1 + 4);

        let list = PRODUCTS.replace("3013,NO,", "3013,YES,from now on").replace("5,A125,NO,\n", "");
        let changes = desk.import(list.as_bytes(), 2003, false, &person()).await.unwrap();
        let product = |product: &str, before, after, remarks: &str| Change::Product {
            product: product.parse().unwrap(),
            before,
            after,
            remarks: remarks.into(),
        };
        assert_eq!(
            changes,
            [product("3013", Some(false), Some(true), "from now on"), product("A125", Some(false), None, "")]
        );
    })
    .await;
}

#[tokio::test]
async fn one_bad_cell_and_nothing_is_imported() {
    on_both(async |database| {
        let factory = Factory::new(database).await;
        let desk = factory.gateway().desk();
        let before = desk.plan().await.unwrap();
        for (file, places) in [
            ("DEVICE CODE,3/17\n3012,5\nA123,x\n9999,1\n", vec![(3, 2)]),
            ("DEVICE CODE,3/17\n3012,5\n9998,1\n9999,1\n", vec![(3, 1), (4, 1)]),
        ] {
            for dry_run in [true, false] {
                match desk.import(file.as_bytes(), 2003, dry_run, &person()).await {
                    Err(ImportError::BadCells(cells)) => {
                        let found: Vec<_> = cells.iter().map(|cell| (cell.line, cell.column)).collect();
                        assert_eq!(found, places);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(desk.plan().await.unwrap(), before);
    })
    .await;
}

/// One change to a file as a person, a spreadsheet or an accident makes it.
fn mutation() -> impl Strategy<Value = (usize, Vec<u8>, usize)> {
    let inserted = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            ",",
            "\n",
            "\"",
            ";",
            "-1",
            "1e9",
            "3/32",
            "YES",
            "999999999999999999999999999999",
            "\u{feff}"
        ])
        .prop_map(|text: &str| text.as_bytes().to_vec())
        .boxed(),
    ];
    (0..400_usize, inserted, 0..8_usize)
}

#[test]
fn mutated_files_are_imported_whole_or_refused_with_places() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let factory = runtime.block_on(Factory::new(TestDatabase::sqlite()));
    let desk = factory.gateway().desk();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let files = prop_oneof![Just(PRODUCTS), Just(PLAN)];
    let cases = (files, prop::collection::vec(mutation(), 1..4));
    let outcome = runner.run(&cases, |(file, mutations)| {
        let mut bytes = file.as_bytes().to_vec();
        for (at, inserted, removed) in mutations {
            let start = at.min(bytes.len());
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, inserted);
        }
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        match runtime.block_on(desk.import(&bytes, 2003, true, &person())) {
            Ok(changes) => prop_assert!(changes.len() <= 100),
            Err(ImportError::BadCells(cells)) => {
                prop_assert!(!cells.is_empty());
                for cell in cells {
                    prop_assert!((1..=lines).contains(&cell.line) && cell.column >= 1, "{cell}");
                    prop_assert!(!cell.message.chars().any(char::is_control), "{cell:?}");
                }
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(runtime.block_on(desk.plan()).unwrap().len(), 40);
}
