//! A device that gets a new board, and one that gets a new certificate: whose memory goes on, and whose begins anew.

use center::Doubt;
use identity::CredentialState::{Leased, Verified, Voided};
use message::call::Event;
use message::problem::ProblemCode;
use store::testing::on_both;

use crate::memory::Memory;
use crate::plant::{Plant, person};

#[tokio::test]
async fn a_new_board_is_taken_with_an_empty_memory_and_from_then_on_held_to_it() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let old = plant.device("3012-000001").await;
        let mut old_memory = Memory::default();
        for _ in 0..3 {
            assert!(old_memory.count(&plant, &old, 10).await);
        }
        let board = plant.unnamed("3012-000001");
        plant.name(&old, Voided).await;
        plant.name_new_board(&board, Leased).await;

        // Its first call is byte for byte the first of the old board, and nevertheless another.
        let mut memory = Memory::default();
        assert!(memory.count(&plant, &board, 10).await);
        assert_eq!(plant.desk().calls(Some(&board.number), 10).await.unwrap().len(), 4);
        plant.name_new_board(&board, Verified).await;
        assert!(memory.count(&plant, &board, 5).await);
        assert_eq!(
            plant.billed(&board).await,
            30,
            "what is below the old board's counter waits for a person"
        );
        let old_call = plant.call(&old, &old.call(9, 1, Event::Poll)).await.unwrap_err();
        assert_eq!(old_call.code, ProblemCode::NotAllowed);

        plant.restart().await;
        let mut copy = memory.clone();
        assert!(memory.count(&plant, &board, 1).await);
        assert!(!copy.count(&plant, &board, 2).await, "a copy of the new board is found");
        plant.desk().readmit(board.number.clone(), Doubt::Count, &person()).await.unwrap();
        assert!(memory.count(&plant, &board, 100).await);
        assert_eq!(plant.billed(&board).await, 30);
    })
    .await;
}

#[tokio::test]
async fn a_new_certificate_of_the_same_board_keeps_its_chain() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let mut memory = Memory::default();
        assert!(memory.count(&plant, &device, 10).await);
        let renewed = plant.unnamed("3012-000001");
        plant.name(&renewed, Leased).await;
        assert!(memory.count(&plant, &renewed, 10).await);
        assert!(!Memory::default().count(&plant, &renewed, 1).await, "a memory that is empty is another");
    })
    .await;
}

#[tokio::test]
async fn a_new_board_does_not_end_a_quarantine() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let old = plant.device("3012-000001").await;
        let mut memory = Memory::default();
        assert!(memory.count(&plant, &old, 10).await);
        let mut copy = memory.clone();
        assert!(memory.count(&plant, &old, 10).await);
        assert!(!copy.count(&plant, &old, 11).await);

        let board = plant.unnamed("3012-000001");
        plant.name(&old, Voided).await;
        plant.name_new_board(&board, Leased).await;
        let mut memory = Memory::default();
        assert!(!memory.count(&plant, &board, 1_000).await);
        plant.desk().readmit(board.number.clone(), Doubt::Count, &person()).await.unwrap();
        assert!(memory.send(&plant, &board, false).await);
        assert_eq!(plant.billed(&board).await, 20 + 980);
    })
    .await;
}
