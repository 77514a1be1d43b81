{{ loaded_rows('products') }}
