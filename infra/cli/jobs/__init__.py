"""Jobs over the bucket, as an operator starts and watches them."""
