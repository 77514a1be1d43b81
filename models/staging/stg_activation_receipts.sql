{{ loaded_rows('activation_receipts') }}
