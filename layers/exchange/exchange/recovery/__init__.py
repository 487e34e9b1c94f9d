"""What is done after something broke: replay from the bucket, reconcile the bucket with the tables, repair."""
